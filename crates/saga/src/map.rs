//! The map of a choreography: who reacts to what with what. It is derived by running the services,
//! not drawn by hand, so it can't be out of date.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::{
    Service,
    explorer::{Kinds, Reaction, Report},
};

/// How wide the text may be.
const COLUMNS: usize = 100;

/// Fills of the messages of the first service, the second, ..., and around again.
const COLOURS: [&str; 6] = ["#cfe2ff", "#d1e7dd", "#fff3cd", "#f8d7da", "#e2d9f3", "#d2f4ea"];

/// Who reacts to what with what.
pub struct Map {
    services: Vec<Mapped>,
}

/// One service, and what it listens to in the order of its participants' lists.
struct Mapped {
    name: &'static str,
    topic: &'static str,
    hears: Vec<Heard>,
    /// By all that it had heard of an instance: what it had said of it then.
    answers: BTreeMap<Kinds, BTreeSet<Kinds>>,
}

struct Heard {
    kind: &'static str,
    /// `None` for a timer.
    topic: Option<&'static str>,
    /// The timer of the participant that hears it.
    timer: Option<&'static str>,
    reaction: Reaction,
}

impl Map {
    /// A map of these services on which nobody reacts to anything yet.
    pub fn of(services: &[Service]) -> Self {
        Map { services: services.iter().map(Mapped::of).collect() }
    }

    /// Enters what an exploration of the same services has seen.
    pub fn learn(&mut self, report: &Report) {
        for ((service, kind), seen) in &report.reactions {
            let heard = self.services[*service].hears.iter_mut().find(|h| h.kind == *kind);
            let known = &mut heard.expect("a service reacts to what it listens to").reaction;
            known.says.extend(&seen.says);
            known.starts_timer |= seen.starts_timer;
            known.cancels_timer |= seen.cancels_timer;
        }
        for ((service, heard), seen) in &report.answers {
            self.services[*service].answers.entry(heard.clone()).or_default().extend(seen.iter().cloned());
        }
    }

    /// What this service does when it hears this, if it listens to it.
    pub fn reaction(&self, service: &str, heard: &str) -> Option<&Reaction> {
        self.service(service)?.hears.iter().find(|h| h.kind == heard).map(|h| &h.reaction)
    }

    /// The names of the services, in their order.
    pub fn services(&self) -> impl Iterator<Item = &'static str> {
        self.services.iter().map(|s| s.name)
    }

    /// Whether this service listens to messages of this type.
    pub fn listens(&self, service: &str, kind: &str) -> bool {
        self.service(service).is_some_and(|s| s.messages().any(|message| message == kind))
    }

    /// What this service still has to say about an instance of which it has heard and said these
    /// types: any one of the returned types would be news. Empty when it has nothing to say before
    /// it hears more, and when no exploration with [`Explorer::with_answers`] has seen it there.
    ///
    /// What it does not listen to counts as not heard, and what it never says as not said.
    ///
    /// [`Explorer::with_answers`]: crate::explorer::Explorer::with_answers
    pub fn awaited(
        &self,
        service: &str,
        heard: &BTreeSet<&str>,
        said: &BTreeSet<&str>,
    ) -> BTreeSet<&'static str> {
        let Some(service) = self.service(service) else { return Kinds::new() };
        let heard: Kinds = service.messages().filter(|kind| heard.contains(kind)).collect();
        let Some(answers) = service.answers.get(&heard) else { return Kinds::new() };
        let said: Kinds = service.says().filter(|kind| said.contains(kind)).collect();
        let missing: Vec<Kinds> =
            answers.iter().filter(|answer| answer.is_superset(&said)).map(|answer| answer - &said).collect();
        // What a longer way adds may never happen, as when a timer does not fire: so a way on which
        // nothing is missing leaves nothing to await.
        let is_shortest = |way: &&Kinds| !missing.iter().any(|other| other != *way && other.is_subset(way));
        missing.iter().filter(is_shortest).flatten().copied().collect()
    }

    /// What this service waited for before it could say this of an instance: of all that it has
    /// `heard`, the fewest types that are enough, `last` among them, where it had `said` before what
    /// is given; without what always comes earlier, so that nothing waits for it. Empty where no
    /// exploration with [`Explorer::with_answers`] has seen that.
    ///
    /// [`Explorer::with_answers`]: crate::explorer::Explorer::with_answers
    pub fn waited_for(
        &self,
        service: &str,
        says: &str,
        last: &str,
        heard: &BTreeSet<&str>,
        said: &BTreeSet<&str>,
    ) -> BTreeSet<&'static str> {
        let Some(service) = self.service(service) else { return Kinds::new() };
        let mut may_be_last = Kinds::new();
        may_be_last.extend(service.hears.iter().filter(|h| h.reaction.says.contains(says)).map(|h| h.kind));
        let said: Kinds = service.says().filter(|kind| *kind == says || said.contains(kind)).collect();
        let is_enough = |way: &Kinds| way.contains(last) && way.iter().all(|kind| heard.contains(kind));
        let ways = service.answers.iter().filter(|(way, answers)| is_enough(way) && answers.contains(&said));
        let fewest = ways.map(|(way, _)| way).min_by_key(|way| way.len());
        fewest.map(|way| way & &may_be_last).unwrap_or_default()
    }

    fn service(&self, name: &str) -> Option<&Mapped> {
        self.services.iter().find(|s| s.name == name)
    }

    /// For each service, what it hears and what it may say then.
    pub fn text(&self) -> String {
        let kinds = self.services.iter().flat_map(|s| &s.hears).map(|h| h.kind.len());
        let width = kinds.max().unwrap_or(0).max("hears".len());
        let mut text = String::new();
        for service in &self.services {
            let title = format!("{} (writes to {})", service.name, service.topic);
            text += &format!("{title}\n  {:width$}  may say\n", "hears");
            for heard in &service.hears {
                let mut line = format!("  {:width$}  ", heard.kind);
                for (i, word) in heard.words().iter().enumerate() {
                    if i > 0 && line.len() + " ".len() + word.len() > COLUMNS {
                        text += &format!("{}\n", line.trim_end());
                        line = format!("  {:width$}  ", "");
                    }
                    line += &format!("{word} ");
                }
                text += &format!("{}\n", line.trim_end());
            }
            text.push('\n');
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
        text
    }

    /// The same as a picture in the language of mermaid: an arrow from what is heard to what is
    /// said. A command is slanted, a timer a hexagon; an event has the colour of its service.
    /// What cancels a timer is left out.
    pub fn mermaid(&self) -> String {
        let mut lines = vec!["flowchart LR".to_owned()];
        for (node, shape) in self.nodes() {
            lines.push(format!("  {node}{shape}"));
        }
        for service in &self.services {
            let name = service.name;
            for Heard { kind, timer, reaction, .. } in &service.hears {
                lines.extend(reaction.says.iter().map(|said| format!("  {kind} -->|{name}| {said}")));
                let timer = timer.filter(|_| reaction.starts_timer);
                lines.extend(timer.map(|timer| format!("  {kind} -.->|{name} starts| {timer}")));
            }
        }
        lines.push("  classDef command fill:#ffffff,stroke:#333333,color:#111111".to_owned());
        lines.push("  classDef timer fill:#eeeeee,stroke:#333333,color:#111111".to_owned());
        for (service, colour) in self.services.iter().zip(COLOURS.iter().cycle()) {
            lines.push(format!("  classDef {} fill:{colour},stroke:#333333,color:#111111", service.name));
        }
        lines.join("\n") + "\n"
    }

    /// The same as JSON.
    pub fn json(&self) -> Value {
        let heard = |h: &Heard| {
            json!({
                "type": h.kind,
                "topic": h.topic,
                "says": h.reaction.says,
                "starts": h.timer.filter(|_| h.reaction.starts_timer),
                "cancels": h.timer.filter(|_| h.reaction.cancels_timer),
            })
        };
        let service = |s: &Mapped| {
            let hears: Vec<Value> = s.hears.iter().map(heard).collect();
            json!({"service": s.name, "topic": s.topic, "hears": hears})
        };
        self.services.iter().map(service).collect()
    }

    /// What is heard or said: first what no service says, then service by service.
    fn nodes(&self) -> Vec<(&'static str, String)> {
        let mut nodes = Vec::new();
        let mut drawn = BTreeSet::new();
        let mut draw = |kind, shape| {
            if drawn.insert(kind) {
                nodes.push((kind, shape));
            }
        };
        let reacted = |h: &&Heard| h.reaction != Reaction::default();
        for heard in self.services.iter().flat_map(|s| &s.hears).filter(reacted) {
            let kind = heard.kind;
            match heard.topic {
                None => draw(kind, format!("{{{{{kind}}}}}:::timer")),
                Some(topic) if !self.services.iter().any(|s| s.topic == topic) => {
                    draw(kind, format!("[/{kind}/]:::command"));
                }
                Some(_) => {}
            }
        }
        for service in &self.services {
            for kind in service.hears.iter().flat_map(|h| &h.reaction.says) {
                draw(kind, format!("({kind}):::{}", service.name));
            }
        }
        nodes
    }
}

impl Mapped {
    fn of(service: &Service) -> Self {
        let mut hears: Vec<Heard> = Vec::new();
        for participant in &service.participants {
            let timer = participant
                .hears
                .iter()
                .find(|subscription| subscription.topic.is_none())
                .map(|subscription| subscription.kind);
            for subscription in &participant.hears {
                if !hears.iter().any(|h| h.kind == subscription.kind) {
                    hears.push(Heard {
                        kind: subscription.kind,
                        topic: subscription.topic,
                        timer,
                        reaction: Reaction::default(),
                    });
                }
            }
        }
        Mapped { name: service.name, topic: service.topic, hears, answers: BTreeMap::new() }
    }

    /// The types of the messages that it says, each as often as something leads to it.
    fn says(&self) -> impl Iterator<Item = &'static str> {
        self.hears.iter().flat_map(|h| &h.reaction.says).copied()
    }

    /// The types of the messages that it listens to.
    fn messages(&self) -> impl Iterator<Item = &'static str> {
        self.hears.iter().filter(|h| h.topic.is_some()).map(|h| h.kind)
    }
}

impl Heard {
    /// The reaction in words, which may stand on different lines.
    fn words(&self) -> Vec<String> {
        let Reaction { says, starts_timer, cancels_timer } = &self.reaction;
        let mut words: Vec<String> = says.iter().map(|kind| (*kind).to_owned()).collect();
        if let Some(timer) = self.timer {
            words.extend(starts_timer.then(|| format!("(starts {timer})")));
            words.extend(cancels_timer.then(|| format!("(cancels {timer})")));
        }
        if words.is_empty() {
            words.push("nothing".to_owned());
        }
        let last = words.len() - 1;
        words[..last].iter_mut().for_each(|word| word.push(','));
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explorer::{
        Explorer,
        toy::{AddChair, Ask, services},
    };

    /// A guest who gets a seat or leaves; the list of what is heard is known without running.
    fn map() -> Map {
        let mut map = Map::of(&services());
        let explorer = Explorer::new(services()).set_up(AddChair("chairs".to_owned()));
        let explorer = explorer.start("ask", Ask("ann".to_owned())).without_repeats().with_answers();
        map.learn(&explorer.explore());
        map
    }

    /// And a guest who finds no seat.
    fn map_with_nobody_seated() -> Map {
        let mut map = map();
        let explorer = Explorer::new(services()).start("ask", Ask("ann".to_owned()));
        map.learn(&explorer.without_repeats().with_answers().explore());
        map
    }

    fn awaited<const H: usize, const S: usize>(
        map: &Map,
        service: &str,
        heard: [&str; H],
        said: [&str; S],
    ) -> Vec<&'static str> {
        map.awaited(service, &heard.into(), &said.into()).into_iter().collect()
    }

    #[test]
    fn the_text_says_who_reacts_to_what_with_what() {
        assert_eq!(
            map().text(),
            "\
guest (writes to guests)
  hears           may say
  Ask             Asked, (starts TiredOfWaiting)
  Seated          (cancels TiredOfWaiting)
  Full            nothing
  TiredOfWaiting  Left

table (writes to tables)
  hears           may say
  Asked           Seated
  Left            Freed
  AddChair        nothing
"
        );
    }

    #[test]
    fn the_picture_has_an_arrow_from_what_is_heard_to_what_is_said() {
        assert_eq!(
            map().mermaid(),
            "\
flowchart LR
  Ask[/Ask/]:::command
  TiredOfWaiting{{TiredOfWaiting}}:::timer
  Asked(Asked):::guest
  Left(Left):::guest
  Seated(Seated):::table
  Freed(Freed):::table
  Ask -->|guest| Asked
  Ask -.->|guest starts| TiredOfWaiting
  TiredOfWaiting -->|guest| Left
  Asked -->|table| Seated
  Left -->|table| Freed
  classDef command fill:#ffffff,stroke:#333333,color:#111111
  classDef timer fill:#eeeeee,stroke:#333333,color:#111111
  classDef guest fill:#cfe2ff,stroke:#333333,color:#111111
  classDef table fill:#d1e7dd,stroke:#333333,color:#111111
"
        );
    }

    #[test]
    fn the_json_says_the_same() {
        let json = map().json();
        let starts = json!({"type": "Ask", "topic": "commands", "says": ["Asked"],
            "starts": "TiredOfWaiting", "cancels": null});
        let timer = json!({"type": "TiredOfWaiting", "topic": null, "says": ["Left"],
            "starts": null, "cancels": null});
        assert_eq!((&json[0]["service"], &json[0]["topic"]), (&json!("guest"), &json!("guests")));
        assert_eq!((&json[0]["hears"][0], &json[0]["hears"][3]), (&starts, &timer));
        assert_eq!(json[1]["service"], "table");
    }

    #[test]
    fn a_second_run_adds_to_the_map() {
        let map = map_with_nobody_seated();
        let says = |heard| map.reaction("table", heard).map(|r| r.says.iter().copied().collect::<Vec<_>>());
        assert_eq!(says("Asked"), Some(vec!["Full", "Seated"]));
        assert_eq!(says("Seated"), None, "the table does not listen to itself");
    }

    #[test]
    fn an_answer_is_awaited_until_it_is_said() {
        let map = map();
        assert_eq!(awaited(&map, "table", ["Asked"], []), ["Seated"]);
        assert!(awaited(&map, "table", ["Asked"], ["Seated"]).is_empty());
        assert_eq!(awaited(&map, "table", ["Asked", "Left"], ["Seated"]), ["Freed"]);
        assert!(awaited(&map, "table", ["Asked", "Left"], ["Seated", "Freed"]).is_empty());
    }

    #[test]
    fn every_way_it_may_go_is_awaited_until_it_goes_one() {
        let map = map_with_nobody_seated();
        assert_eq!(awaited(&map, "table", ["Asked"], []), ["Full", "Seated"]);
        assert!(awaited(&map, "table", ["Asked"], ["Full"]).is_empty());
        assert_eq!(awaited(&map, "table", ["Asked", "Left"], []), ["Freed", "Full", "Seated"]);
        assert_eq!(awaited(&map, "table", ["Asked", "Left"], ["Seated"]), ["Freed"], "it was not full");
    }

    /// The guest may leave, but does not have to.
    #[test]
    fn a_timer_is_not_awaited() {
        let map = map();
        assert_eq!(awaited(&map, "guest", ["Ask"], []), ["Asked"]);
        assert!(awaited(&map, "guest", ["Ask"], ["Asked"]).is_empty());
        assert_eq!(awaited(&map, "guest", ["Ask", "TiredOfWaiting"], []), ["Asked"], "it is no message");
    }

    #[test]
    fn what_others_hear_and_say_is_not_regarded() {
        let map = map();
        assert_eq!(awaited(&map, "table", ["Ask", "Asked", "Bill"], ["Asked", "Bill"]), ["Seated"]);
        assert!(awaited(&map, "table", ["Asked"], ["Asked", "Seated", "Bill"]).is_empty());
    }

    #[test]
    fn nothing_is_awaited_where_no_exploration_came() {
        let map = map();
        assert!(awaited(&map, "guest", [], []).is_empty(), "nothing was heard");
        assert!(awaited(&map, "table", ["Left"], []).is_empty(), "nobody leaves who has not asked");
        assert!(awaited(&map, "guest", ["Ask"], ["Left"]) == ["Asked"], "the rest of the other way");
        assert!(awaited(&map, "table", ["Asked"], ["Freed"]).is_empty(), "it did not say that then");
        assert!(awaited(&map, "kitchen", ["Ask"], []).is_empty(), "there is none");
        assert!(awaited(&Map::of(&services()), "guest", ["Ask"], []).is_empty(), "nothing was learned");
    }

    #[test]
    fn what_was_waited_for_is_the_least_that_is_enough() {
        let map = map_with_nobody_seated();
        let waited_for = |says, last, heard: &[&str], said: &[&str]| {
            let (heard, said) = (heard.iter().copied().collect(), said.iter().copied().collect());
            map.waited_for("table", says, last, &heard, &said).into_iter().collect::<Vec<_>>()
        };
        assert_eq!(waited_for("Seated", "Asked", &["Asked", "Left", "Bill"], &[]), ["Asked"]);
        assert_eq!(waited_for("Freed", "Left", &["Asked", "Left"], &["Seated", "Bill"]), ["Left"]);
        assert!(waited_for("Freed", "Left", &["Left"], &["Seated"]).is_empty(), "that is not enough");
        assert!(waited_for("Freed", "Left", &["Asked", "Left"], &["Full"]).is_empty(), "another way");
        assert!(waited_for("Bill", "Asked", &["Asked"], &[]).is_empty(), "it never says that");
        assert!(map.waited_for("kitchen", "Seated", "Asked", &["Asked"].into(), &[].into()).is_empty());
    }

    #[test]
    fn it_knows_who_listens_to_which_messages() {
        let map = map();
        assert_eq!(map.services().collect::<Vec<_>>(), ["guest", "table"]);
        assert!(map.listens("guest", "Seated") && map.listens("table", "Asked"));
        assert!(!map.listens("table", "Seated") && !map.listens("kitchen", "Ask"));
        assert!(!map.listens("guest", "TiredOfWaiting"), "a timer is no message");
    }
}
