//! The real store, in memory, behind one that fails now and then. It outlives its processes, and several
//! may believe that it is theirs.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Result, bail};
use runtime::seams::{Changes, DueTimer, Instance, Outgoing, SqliteStore, Store, Taken, Transaction};
use runtime::{DeadLetter, Standing};
use rusqlite::{Connection, params};

use crate::{
    mutant::Mutant,
    sink::hand_over,
    world::{Shared, Trouble},
};

/// The tables that a copy of a store holds.
const TABLES: [&str; 7] = ["meta", "lane", "position", "instance", "shared_row", "outbox", "dead_letter"];

/// A store that several processes hold.
#[derive(Clone)]
pub struct Cell(Arc<Mutex<Kept>>);

/// A store, and what is known of it.
pub struct Kept {
    /// The store.
    pub store: SqliteStore,
    /// It can't be written before this step: the disk is full.
    pub full_until: u64,
    /// What a take-over would have found before the last commit: only a wrong engine asks.
    before: Option<Taken>,
}

thread_local! {
    /// Empty stores of earlier runs: to make one, and to prepare its statements, takes longer than to empty it.
    static SPARE: RefCell<Vec<SqliteStore>> = const { RefCell::new(Vec::new()) };
}

impl Cell {
    /// An empty store.
    ///
    /// # Errors
    /// When there is no room for it.
    pub fn new() -> Result<Cell> {
        let store = match SPARE.with_borrow_mut(Vec::pop) {
            Some(spare) => spare,
            None => SqliteStore::in_memory()?,
        };
        Ok(Cell(Arc::new(Mutex::new(Kept { store, full_until: 0, before: None }))))
    }

    /// Empties the store, for another run. Copies of it are dropped with it.
    pub fn release(self) {
        let Some(kept) = Arc::into_inner(self.0) else { return };
        let kept = kept.into_inner().unwrap_or_else(PoisonError::into_inner);
        let copies = kept.ask("SELECT name FROM temp.sqlite_schema").unwrap_or_default();
        let empty: String = TABLES.iter().map(|table| format!("DELETE FROM main.{table};")).collect();
        if copies.is_empty() && kept.database().execute_batch(&format!("BEGIN; {empty} COMMIT")).is_ok() {
            SPARE.with_borrow_mut(|spare| spare.push(kept.store));
        }
    }

    /// The store, for a moment.
    pub fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Its database.
    pub fn database(&self) -> &Connection {
        self.store.connection()
    }

    /// Makes a copy under this name.
    ///
    /// # Errors
    /// When there is no room for it.
    pub fn copy(&self, name: &str) -> Result<()> {
        for table in TABLES {
            self.database().execute_batch(&format!(
                "DROP TABLE IF EXISTS temp.{name}_{table};
                 CREATE TEMP TABLE {name}_{table} AS SELECT * FROM main.{table}"
            ))?;
        }
        Ok(())
    }

    /// Puts a copy in the place of the store.
    ///
    /// # Errors
    /// When there is none.
    pub fn restore(&self, name: &str) -> Result<()> {
        for table in TABLES {
            self.database().execute_batch(&format!(
                "DELETE FROM main.{table}; INSERT INTO main.{table} SELECT * FROM temp.{name}_{table}"
            ))?;
        }
        Ok(())
    }

    /// What a query with one column of text answers.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn ask(&self, sql: &str) -> Result<Vec<String>> {
        let mut read = self.database().prepare_cached(sql)?;
        let rows = read.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

/// The store as one process sees it.
pub struct ScriptedStore {
    world: Shared,
    process: usize,
    cell: Cell,
    /// Rows that this process has seen: only a wrong engine looks at them again.
    rows: BTreeMap<String, Option<String>>,
}

impl ScriptedStore {
    /// As this process sees it.
    pub fn new(world: Shared, process: usize, cell: Cell) -> Self {
        ScriptedStore { world, process, cell, rows: BTreeMap::new() }
    }

    fn read(&self, what: &str) -> Result<MutexGuard<'_, Kept>> {
        let mut world = self.world.lock();
        world.call(self.process, what)?;
        if world.goes_wrong(self.process, Trouble::Read) {
            bail!("the store can't be read");
        }
        Ok(self.cell.lock())
    }
}

impl Store for ScriptedStore {
    fn meta(&self, name: &str) -> Result<Option<String>> {
        self.read("meta")?.store.meta(name)
    }

    fn set_meta(&self, name: &str, value: &str) -> Result<()> {
        let kept = self.read("set_meta")?;
        if self.world.lock().step < kept.full_until {
            bail!("the disk is full");
        }
        kept.store.set_meta(name, value)
    }

    fn take_over(&mut self, lanes: &[i32]) -> Result<Taken> {
        let mut world = self.world.lock();
        world.call(self.process, "take_over")?;
        let mut kept = self.cell.lock();
        if world.step < kept.full_until {
            bail!("the disk is full");
        }
        world.progress += 1;
        let mut taken = kept.store.take_over(lanes)?;
        if world.goes_wrong(self.process, Trouble::TakeOverUnknown) {
            bail!("the take-over is reported as failed");
        }
        match world.mutant {
            Some(Mutant::StartsPlacesAnewAndTrimsUnchecked) => {
                for (number, lane) in &mut taken.lanes {
                    let mut own = taken.outbox.iter().filter(|o| o.lane == *number);
                    lane.next_place = own.next_back().map_or(1, |last| last.place + 1);
                }
            }
            Some(Mutant::StartsSequencesAnew) => {
                for (number, lane) in &mut taken.lanes {
                    if !taken.outbox.iter().any(|o| o.lane == *number) {
                        lane.sequence = 0;
                    }
                }
            }
            Some(Mutant::ReadsAnOldSnapshot) => {
                if let Some(before) = kept.before.take() {
                    taken.positions = before.positions;
                    taken.outbox = before.outbox;
                }
            }
            Some(Mutant::ForgetsTheOutbox) => taken.outbox.clear(),
            Some(Mutant::AcceptsLostRecords) => {
                for position in &mut taken.positions {
                    let place = (position.topic.clone(), position.partition);
                    position.next_offset = position.next_offset.max(world.partition(&place).low);
                }
            }
            Some(Mutant::AcceptsNewTopics) => taken.positions.iter_mut().for_each(|p| p.last = None),
            _ => {}
        }
        Ok(taken)
    }

    fn next_due_ms(&self) -> Result<Option<i64>> {
        self.read("next_due_ms")?.store.next_due_ms()
    }

    fn due_lanes(&self, at_ms: i64) -> Result<Vec<(i32, i64)>> {
        self.read("due_lanes")?.store.due_lanes(at_ms)
    }

    fn due_timers(&self, lane: i32, at_ms: i64, limit: usize) -> Result<Vec<DueTimer>> {
        self.read("due_timers")?.store.due_timers(lane, at_ms, limit)
    }

    fn standing(&self, dead_letter: &str) -> Result<Option<Standing>> {
        self.read("standing")?.store.standing(dead_letter)
    }

    fn begin(&mut self) -> Result<Box<dyn Transaction + '_>> {
        let mut world = self.world.lock();
        world.call(self.process, "begin")?;
        if world.goes_wrong(self.process, Trouble::Begin) {
            bail!("no transaction can be begun");
        }
        if world.goes_wrong(self.process, Trouble::Slow) {
            world.pass(2_500);
        }
        drop(world);
        Ok(Box::new(ScriptedTransaction(self)))
    }
}

/// A transaction. Nothing else runs while a process turns, so that it may read in one and write in another.
struct ScriptedTransaction<'a>(&'a mut ScriptedStore);

impl Transaction for ScriptedTransaction<'_> {
    fn instances(&mut self, ids: &[(&str, &str)]) -> Result<Vec<Option<Instance>>> {
        self.0.read("instances")?.store.begin()?.instances(ids)
    }

    fn rows(&mut self, keys: &[String]) -> Result<Vec<Option<String>>> {
        let found = self.0.read("rows")?.store.begin()?.rows(keys)?;
        if self.0.world.lock().mutant == Some(Mutant::KeepsRows) {
            let known = &mut self.0.rows;
            return Ok(keys
                .iter()
                .zip(found)
                .map(|(k, v)| known.entry(k.clone()).or_insert(v).clone())
                .collect());
        }
        Ok(found)
    }

    fn dead_letters(&mut self, ids: &[String]) -> Result<Vec<Option<DeadLetter>>> {
        self.0.read("dead_letters")?.store.begin()?.dead_letters(ids)
    }

    fn write(self: Box<Self>, changes: &Changes) -> Result<()> {
        let ScriptedStore { world, process, cell, rows } = self.0;
        let process = *process;
        let mutant = {
            let mut world = world.lock();
            world.call(process, "write")?;
            if world.mutant == Some(Mutant::PublishesBeforeCommit) {
                publish_early(&mut world, process, &changes.outgoing);
            }
            if world.goes_wrong(process, Trouble::DieBeforeCommit) {
                world.die(process, "before its commit");
                bail!("the process is dead");
            }
            if world.goes_wrong(process, Trouble::Write) {
                if world.mutant == Some(Mutant::TakesFailedWritesForDone) {
                    return Ok(());
                }
                bail!("the store can't be written");
            }
            if world.step < cell.lock().full_until {
                world.note("the disk is full");
                bail!("the disk is full");
            }
            world.mutant
        };
        let mut kept = cell.lock();
        let undo = mutant.map(|mutant| before(mutant, &mut kept, changes)).transpose()?;
        let is_kept = kept.store.begin()?.write(changes);
        let mut world = world.lock();
        if let Err(error) = is_kept {
            if error.to_string().contains("has another owner") {
                world.note("a former owner's batch is refused");
            }
            return Err(error);
        }
        world.progress += 1;
        world.note("a batch is committed");
        if let Some(mutant) = mutant {
            after(mutant, &kept, changes, undo.unwrap_or_default())?;
            for row in &changes.rows {
                rows.insert(row.key.clone(), Some(row.value.clone()));
            }
        }
        if !changes.outgoing.is_empty() && world.goes_wrong(process, Trouble::DieAfterCommit) {
            if mutant == Some(Mutant::WritesTheOutboxAfterwards) {
                drop_outgoing(&kept, changes)?;
            }
            world.die(process, "between commit and publishing");
            bail!("the process is dead");
        }
        if world.goes_wrong(process, Trouble::CommitUnknown) {
            bail!("the commit is reported as failed");
        }
        Ok(())
    }
}

/// Hands records over before they are committed.
fn publish_early(world: &mut crate::world::World, process: usize, outgoing: &[Outgoing]) {
    let Some(sink) = world.sinks.iter().rposition(|sink| sink.process == process && sink.is_open) else {
        return;
    };
    for record in outgoing {
        hand_over(world, sink, record);
        world.sinks[sink].early.insert((record.lane, record.place));
    }
}

/// What a wrong engine does before it writes; returns statements that undo a part of the write.
fn before(mutant: Mutant, kept: &mut Kept, changes: &Changes) -> Result<Vec<String>> {
    let mut undo = Vec::new();
    match mutant {
        Mutant::ForgetsTheVersionCheck => {
            for lane in &changes.lanes {
                let known = params![lane.lane, lane.before.version];
                kept.database().execute("UPDATE lane SET version = ?2 WHERE lane = ?1", known)?;
            }
        }
        Mutant::StartsPlacesAnewAndTrimsUnchecked => {
            for lane in &changes.lanes {
                let trimmed = params![lane.lane, lane.acknowledged.unwrap_or(0)];
                kept.database()
                    .execute("DELETE FROM outbox WHERE lane = ?1 AND last_place <= ?2", trimmed)?;
            }
        }
        Mutant::ReadsAnOldSnapshot => {
            let lanes: Vec<i32> = (0..8).collect();
            kept.copy("snapshot")?;
            let taken = kept.store.take_over(&lanes)?;
            kept.restore("snapshot")?;
            kept.before = Some(taken);
        }
        Mutant::WritesNoPositions => {
            undo = kept.ask(
                "SELECT 'UPDATE position SET next_offset = ' || next_offset || ' WHERE topic = ''' || topic
                        || ''' AND partition = ' || partition FROM position",
            )?;
        }
        _ => {}
    }
    Ok(undo)
}

/// What a wrong engine has not written, or has written in another way.
fn after(mutant: Mutant, kept: &Kept, changes: &Changes, undo: Vec<String>) -> Result<()> {
    undo.iter().try_for_each(|sql| kept.database().execute(sql, []).map(drop))?;
    match mutant {
        Mutant::DropsTimers => {
            for changed in &changes.instances {
                let sql = "UPDATE instance SET due_ms = NULL, cause_id = NULL, traceparent = NULL WHERE instance = ?1";
                kept.database().execute(sql, [&changed.id])?;
            }
        }
        Mutant::WritesNoOutbox => drop_outgoing(kept, changes)?,
        Mutant::WritesPositionsTooFar => {
            for position in &changes.positions {
                let place = params![position.topic, position.partition];
                let sql =
                    "UPDATE position SET next_offset = next_offset + 1 WHERE topic = ?1 AND partition = ?2";
                kept.database().execute(sql, place)?;
            }
        }
        Mutant::WritesNoDeadLetters => {
            for letter in &changes.dead_letters {
                kept.database().execute("DELETE FROM dead_letter WHERE id = ?1", [&letter.id])?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn drop_outgoing(kept: &Kept, changes: &Changes) -> Result<()> {
    for record in &changes.outgoing {
        let place = params![record.lane, record.place];
        kept.database().execute("DELETE FROM outbox WHERE lane = ?1 AND last_place >= ?2", place)?;
    }
    Ok(())
}
