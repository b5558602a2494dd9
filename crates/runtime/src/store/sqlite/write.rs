//! Writes what a batch changes.

use anyhow::{Result, bail};
use rusqlite::{Connection, params};

use super::{dead_letters, outbox};
use crate::{
    decide::changes::{ChangedInstance, ChangedLane, ChangedRow, Changes},
    store::Position,
};

/// How many ended instances one batch may forget.
const FORGET_AT_ONCE: i64 = 100;

/// Writes all of it; the lanes' versions come last.
///
/// # Errors
/// When a lane has another owner, or the file can't be written.
pub fn write(connection: &Connection, changes: &Changes) -> Result<()> {
    set_instances(connection, &changes.instances, changes.now_ms)?;
    set_rows(connection, &changes.rows)?;
    changes.resolved.iter().try_for_each(|id| dead_letters::remove(connection, id))?;
    changes.dead_letters.iter().try_for_each(|letter| dead_letters::add(connection, letter))?;
    for lane in &changes.lanes {
        if let Some(up_to) = lane.acknowledged {
            outbox::trim(connection, lane.lane, up_to)?;
        }
    }
    outbox::add(connection, &changes.outgoing)?;
    changes.positions.iter().try_for_each(|position| set_position(connection, position))?;
    forget_ended(connection, changes.forget_ended_before_ms)?;
    changes.lanes.iter().try_for_each(|lane| advance(connection, lane))
}

fn set_instances(connection: &Connection, instances: &[ChangedInstance], now_ms: i64) -> Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO instance (participant, instance, lane, state, correlation, changed_ms, ended,
                               due_ms, cause_id, traceparent)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    let mut update = connection.prepare_cached(
        "UPDATE instance SET lane = ?2, state = ?3, correlation = ?4, changed_ms = ?5, ended = ?6,
                             due_ms = ?7, cause_id = ?8, traceparent = ?9 WHERE row = ?1",
    )?;
    for ChangedInstance { participant, id, instance } in instances {
        let timer = instance.timer.as_ref();
        let due_ms = timer.map(|timer| timer.due_ms);
        let cause_id = timer.map(|timer| &timer.cause_id);
        let traceparent = timer.map(|timer| &timer.traceparent);
        let (state, correlation, ended) = (&instance.state, &instance.correlation, instance.ended);
        let lane = instance.lane;
        if instance.row == 0 {
            insert.execute(params![
                participant,
                id,
                lane,
                state,
                correlation,
                now_ms,
                ended,
                due_ms,
                cause_id,
                traceparent
            ])?;
        } else {
            update.execute(params![
                instance.row,
                lane,
                state,
                correlation,
                now_ms,
                ended,
                due_ms,
                cause_id,
                traceparent
            ])?;
        }
    }
    Ok(())
}

fn set_rows(connection: &Connection, rows: &[ChangedRow]) -> Result<()> {
    for ChangedRow { key, value, is_new } in rows {
        let sql = if *is_new {
            "INSERT INTO shared_row (key, value) VALUES (?1, ?2)"
        } else {
            "UPDATE shared_row SET value = ?2 WHERE key = ?1"
        };
        connection.prepare_cached(sql)?.execute([key, value])?;
    }
    Ok(())
}

fn set_position(connection: &Connection, position: &Position) -> Result<()> {
    connection
        .prepare_cached(
            // What only reached the end of a partition has read no record.
            "INSERT INTO position (topic, partition, next_offset, last_offset, fingerprint)
             VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (topic, partition)
             DO UPDATE SET next_offset = ?3, last_offset = coalesce(?4, last_offset),
                           fingerprint = coalesce(?5, fingerprint)",
        )?
        .execute(params![
            position.topic,
            position.partition,
            position.next_offset,
            position.last.map(|last| last.offset),
            position.last.map(|last| last.fingerprint)
        ])?;
    Ok(())
}

/// Who has a timer yet is not forgotten: the timer would be gone with it.
fn forget_ended(connection: &Connection, before_ms: i64) -> Result<()> {
    let mut delete = connection.prepare_cached(
        "DELETE FROM instance WHERE row IN
         (SELECT row FROM instance WHERE ended = 1 AND changed_ms < ?1 AND due_ms IS NULL LIMIT ?2)",
    )?;
    delete.execute([before_ms, FORGET_AT_ONCE])?;
    Ok(())
}

/// Moves a lane on from the version that its owner knows, if it is still there.
fn advance(connection: &Connection, changed: &ChangedLane) -> Result<()> {
    let ChangedLane { lane, before, after, .. } = changed;
    let mut update = connection.prepare_cached(
        "UPDATE lane SET version = ?3, sequence = ?4, next_place = ?5 WHERE lane = ?1 AND version = ?2",
    )?;
    match update.execute(params![lane, before.version, after.version, after.sequence, after.next_place])? {
        1 => Ok(()),
        _ => bail!("lane {lane} has another owner"),
    }
}
