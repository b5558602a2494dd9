mod causes;
mod cost;
pub(crate) mod kit;
mod many;
mod store;
mod summary;
mod versions;
mod waiting;
