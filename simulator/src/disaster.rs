//! What no service may live with: records are lost, topics made anew, an old copy of a store put in its
//! place. It has to say so and stop, and must not go on as if nothing had been.

use contract::topics::{DEAD_LETTERS, NOTIFICATIONS};
use runtime::Record;

use crate::{partition::Entry, plan::What, random::Random, run::Run};

/// One of them happens.
pub fn happen(run: &mut Run, what: &What) {
    match what {
        What::OldCopy(party) => old_copy(run, *party),
        What::Lost(which) => lost(run, *which),
        What::Anew(which) => anew(run, *which),
        What::Overtaken(party) => overtaken(run, *party),
        What::OtherCluster => other_cluster(run),
        _ => {}
    }
}

/// Only a copy that is older than what was reported can be told.
fn old_copy(run: &mut Run, index: usize) {
    let party = &mut run.parties[index];
    let kept = party.cell.lock();
    let group = format!("quadrille-{}", party.name());
    let older = {
        let world = run.world.lock();
        let known = |sql: &str| kept.ask(sql).unwrap_or_default();
        world.reported.iter().any(|((reader, (topic, partition)), reported)| {
            if *reader != group {
                return false;
            }
            let next = known(&format!(
                "SELECT CAST(next_offset AS TEXT) FROM temp.old_position
                 WHERE topic = '{topic}' AND partition = {partition}"
            ));
            let said =
                known(&format!("SELECT CAST(sequence AS TEXT) FROM temp.old_lane WHERE lane = {partition}"));
            let behind = |of: Vec<String>, than: i64| {
                of.first().is_some_and(|of| of.parse::<i64>().is_ok_and(|of| of < than))
            };
            behind(next, reported.offset) || behind(said, reported.sequence)
        })
    };
    if !older || party.refused.is_some() {
        return;
    }
    // A former owner's report that came now would hide that the copy is old.
    run.world.lock().late_reports.retain(|(_, reader, _)| *reader != group);
    kept.copy("right").expect("there is room for a copy");
    kept.restore("old").expect("it was made before");
    drop(kept);
    party.has_old_copy = true;
    let world = run.world.clone();
    // Processes that hold the store see that of a file that was replaced only when they start.
    party.kill_all(&world, "its store is replaced");
    party.down_until = 0;
    world.lock().note("an old copy is put in the place of a store");
}

fn readers(run: &Run, topic: &str) -> Vec<usize> {
    run.parties.iter().filter(|party| party.reads.contains(topic)).map(|party| party.index).collect()
}

fn lost(run: &mut Run, which: u64) {
    let mut random = Random::of(&[which]);
    let topics = ["orders.commands", "orders", "payments", "inventory", "shipments"];
    let topic = *random.pick(&topics);
    let number = i32::try_from(random.index(run.plan.partitions)).expect("there are few");
    let end = run.world.lock().partition_mut(topic, number).end();
    let new_end = end - 1 - i64::try_from(random.below(3)).expect("it is small");
    if new_end < 1 {
        return;
    }
    {
        let mut world = run.world.lock();
        let partition = world.partition_mut(topic, number);
        if partition.low > new_end {
            return;
        }
        partition.lose_from(new_end);
        world.note("records at the end of a partition are lost");
        world.tell(|| format!("{topic}[{number}] has lost all from offset {new_end} on"));
    }
    run.is_damaged = true;
    for (reader, (next, last)) in run.positions(topic, number) {
        if last >= new_end {
            run.must_refuse.insert(reader);
            run.kill(reader, "its broker has lost records");
        } else if next > new_end {
            run.may_refuse.insert(reader);
        }
    }
    // Who has read further than it has committed finds out, or not.
    run.may_refuse.extend(readers(run, topic));
}

fn anew(run: &mut Run, which: u64) {
    let mut random = Random::of(&[which]);
    let (topic, source) = *random.pick(&[
        ("orders.commands", "/people"),
        ("orders", "/quadrille/order"),
        ("payments", "/quadrille/payment"),
        ("inventory", "/quadrille/inventory"),
        ("shipments", "/quadrille/shipping"),
    ]);
    assert!(topic != DEAD_LETTERS && topic != NOTIFICATIONS, "nobody reads those");
    run.is_damaged = true;
    for partition in 0..i32::try_from(run.plan.partitions).expect("there are few") {
        for (reader, (_, last)) in run.positions(topic, partition) {
            if last >= 0 {
                run.must_refuse.insert(reader);
            }
        }
        let mut world = run.world.lock();
        let at = world.partition_mut(topic, partition);
        let end = at.end();
        at.lose_from(0);
        at.low = 0;
        // Somebody has filled it already, a little further than it was before.
        for offset in 0..end + i64::try_from(random.below(3)).expect("it is small") {
            let value = format!(
                r#"{{"specversion":"1.0","id":"{offset}","source":"{source}","type":"New","data":{{}}}}"#
            );
            let record = Record {
                topic: topic.into(),
                partition,
                offset,
                timestamp_ms: 1,
                key: Some(b"new".to_vec()),
                headers: vec![("ce_type".to_owned(), Some(b"New".to_vec()))],
                value: Some(value.into_bytes()),
            };
            world.partition_mut(topic, partition).push(Entry::Record(record, 0));
        }
    }
    run.may_refuse.extend(readers(run, topic));
    let has_ids = {
        let mut world = run.world.lock();
        world.topics.get_mut(topic).expect("it is one").id += 100;
        world.tell(|| format!("it is {topic}"));
        world.has_ids
    };
    if !has_ids || random.one_in(2) {
        for reader in readers(run, topic) {
            run.kill(reader, "with the topic");
        }
    }
    run.world.lock().note("a topic is made anew, and filled");
}

fn overtaken(run: &mut Run, index: usize) {
    let topics: Vec<&'static str> = run.parties[index].reads.iter().copied().collect();
    for topic in topics {
        for partition in 0..i32::try_from(run.plan.partitions).expect("there are few") {
            let positions = run.positions(topic, partition);
            let (next, _) = positions[&index];
            let end = run.world.lock().partition_mut(topic, partition).end();
            if next < 0 || next >= end {
                continue;
            }
            run.is_damaged = true;
            run.world.lock().partition_mut(topic, partition).low = end;
            run.world.lock().partition_mut(topic, partition).losses += 1;
            run.must_refuse.insert(index);
            run.may_refuse
                .extend(positions.iter().filter(|(_, (next, _))| *next < end).map(|(reader, _)| *reader));
            run.kill(index, "and its records are deleted");
            let mut world = run.world.lock();
            world.note("records are deleted that a service has not read");
            world.tell(|| format!("{topic}[{partition}] begins at {end} now"));
            return;
        }
    }
    // It has read everything: while it is away, something will come.
    run.kill(index, "for a while");
    run.parties[index].down_until = run.world.lock().step + 60;
    run.later.push(What::Overtaken(index));
}

fn other_cluster(run: &mut Run) {
    run.is_damaged = true;
    {
        let mut world = run.world.lock();
        world.cluster += 1;
        world.note("services find another cluster");
    }
    for index in 0..run.parties.len() {
        let is_known = run.parties[index].cell.lock().ask("SELECT name FROM meta WHERE name = 'cluster'");
        if is_known.is_ok_and(|known| !known.is_empty()) {
            run.must_refuse.insert(index);
        }
        run.kill(index, "and finds another cluster");
    }
}
