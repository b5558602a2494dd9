mod causes;
mod kit;
mod many;
mod store;
mod summary;
mod waiting;
