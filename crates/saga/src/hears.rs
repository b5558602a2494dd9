//! What a participant listens to: one list, from which subscription, decoding and the map come.

use crate::{Data, Message};

type Listening<H> = dyn Fn(&str, &Data) -> Result<Addressed<H>, String> + Send + Sync;

/// One thing that a participant listens to. Made by [`hears`], [`hears_with_id`] and [`timer`].
pub struct Hears<H> {
    pub(crate) kind: &'static str,
    pub(crate) topic: Option<&'static str>,
    pub(crate) opens: bool,
    pub(crate) listen: Listen<H>,
    pub(crate) if_unusable: Option<fn() -> H>,
}

pub(crate) enum Listen<H> {
    Message(Box<Listening<H>>),
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
    let listen = move |id: &str, data: &Data| {
        let message: M = data.decode()?;
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

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};
    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Letter {
        to: String,
        pages: Vec<Page>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Page {
        lines: u8,
    }

    impl Message for Letter {
        const TYPE: &'static str = "Letter";
        const TOPIC: &'static str = "letters";
        fn key(&self) -> &str {
            &self.to
        }
        fn check(&self) -> Result<(), String> {
            if self.pages.is_empty() { Err("pages: a letter has a page".to_owned()) } else { Ok(()) }
        }
    }

    fn listen<H>(hears: &Hears<H>, data: &Value) -> Result<Addressed<H>, String> {
        match &hears.listen {
            Listen::Message(listen) => listen("an-id", &data.into()),
            Listen::Timer(_) => panic!("a timer"),
        }
    }

    fn refusal(data: &Value) -> String {
        listen(&hears(|letter: Letter| letter), data).err().expect("it was accepted")
    }

    #[test]
    fn a_message_is_about_the_instance_that_its_key_names() {
        let heard = listen(
            &hears(|letter: Letter| letter.pages.len()),
            &json!({"to": "ada", "pages": [{"lines": 1}]}),
        );
        let Addressed { instance, key, heard } = heard.ok().unwrap();
        assert_eq!((instance.as_str(), key.as_str(), heard), ("ada", "ada", 1));
    }

    #[test]
    fn it_may_be_about_another_instance_and_its_record_s_id_be_known() {
        let hears = hears_with_id(|id, _: Letter| (Some(format!("letter-{id}")), id.to_owned()));
        let Addressed { instance, key, heard } =
            listen(&hears, &json!({"to": "ada", "pages": [{"lines": 1}]})).ok().unwrap();
        assert_eq!((instance.as_str(), key.as_str(), heard.as_str()), ("letter-an-id", "ada", "an-id"));
    }

    #[test]
    fn what_can_not_be_decoded_is_refused_with_the_path_of_the_field() {
        let wrong = json!({"to": "ada", "pages": [{"lines": 1}, {"lines": 256}]});
        assert!(refusal(&wrong).starts_with("pages[1].lines: "), "{}", refusal(&wrong));
        let missing = json!({"to": "ada", "pages": [{}]});
        assert_eq!(refusal(&missing), "pages[0].lines: missing");
        assert_eq!(refusal(&json!({"pages": []})), "to: missing");
    }

    #[test]
    fn what_does_not_pass_the_message_s_own_check_is_refused() {
        assert_eq!(refusal(&json!({"to": "ada", "pages": []})), "pages: a letter has a page");
    }
}
