//! What a participant listens to: one list, from which subscription, decoding and the map come.

use serde_json::Value;

use crate::Message;

type Decoded<H> = Result<Addressed<H>, String>;

/// One thing that a participant listens to. Made by [`hears`], [`hears_with_id`] and [`timer`].
pub struct Hears<H> {
    pub(crate) kind: &'static str,
    pub(crate) topic: Option<&'static str>,
    pub(crate) opens: bool,
    pub(crate) listen: Listen<H>,
    pub(crate) if_unusable: Option<fn() -> H>,
}

pub(crate) enum Listen<H> {
    Message(Box<dyn Fn(&str, &Value) -> Decoded<H> + Send + Sync>),
    Timer(fn() -> H),
}

/// Something heard, and the instance and key that it is about.
pub(crate) struct Addressed<H> {
    pub instance: String,
    pub key: String,
    pub heard: H,
}

/// Listens to messages of type `M`, which are about the instance named by their key.
pub fn hears<M: Message + 'static, H: 'static>(heard: impl Fn(M) -> H + Send + Sync + 'static) -> Hears<H> {
    hears_with_id(move |_, message| (None, heard(message)))
}

/// Like [`hears`], for who needs the record's id, or to name another instance than the key does:
/// what counts once by an id of its own is an instance of that id.
pub fn hears_with_id<M: Message + 'static, H: 'static>(
    heard: impl Fn(&str, M) -> (Option<String>, H) + Send + Sync + 'static,
) -> Hears<H> {
    let listen = move |id: &str, data: &Value| {
        let message: M = decode(data)?;
        message.check()?;
        let key = message.key().to_owned();
        let (instance, heard) = heard(id, message);
        Ok(Addressed { instance: instance.unwrap_or_else(|| key.clone()), key, heard })
    };
    Hears {
        kind: M::TYPE,
        topic: Some(M::TOPIC),
        opens: false,
        listen: Listen::Message(Box::new(listen)),
        if_unusable: None,
    }
}

/// Listens to the instance's timer, under this name.
pub fn timer<H>(name: &'static str, heard: fn() -> H) -> Hears<H> {
    Hears { kind: name, topic: None, opens: false, listen: Listen::Timer(heard), if_unusable: None }
}

impl<H> Hears<H> {
    /// This message opens an instance. When the instance is unknown and the record older than what
    /// is remembered, it can't be told whether it was handled long ago: then it is a dead letter.
    #[must_use]
    pub fn opens(mut self) -> Self {
        self.opens = true;
        self
    }

    /// A step waits for this message: where it can't be used, this is heard instead, so that the
    /// saga fails instead of hanging.
    #[must_use]
    pub fn if_unusable(mut self, heard: fn() -> H) -> Self {
        self.if_unusable = Some(heard);
        self
    }
}

fn decode<M: Message>(data: &Value) -> Result<M, String> {
    // The first attempt is the fast one; only a failure is worth finding the field's path for.
    M::deserialize(data).map_err(|plain| match serde_path_to_error::deserialize::<_, M>(data) {
        Err(e) if e.path().iter().next().is_some() => format!("{}: {}", e.path(), e.inner()),
        _ => plain.to_string(),
    })
}
