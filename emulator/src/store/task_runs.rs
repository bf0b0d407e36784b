//! Task runs: a row for each, and its log as a sealed file.
//!
//! Runs have numbers that are never used twice. A second table orders them by expiry, so that expired runs are
//! found without a scan. From its row on, the log uses its data key; it is unlinked after the commit that
//! removed the row. The domain decides how long a run is kept.

use azure_emulator_core::disk_space::Purpose;

use super::encoding::{decode, key, nth_part, prefix};
use super::error::StoreError;
use super::handle::Store;
use super::new_object::NewObject;
use super::rows::{NewTaskRun, TaskRunRow};
use super::tables::Table;
use super::view::View;
use crate::names::RegistryName;

impl Store {
    /// Stores a run under the next number, with its log. Durable on return.
    ///
    /// [`StoreError::DataKeyRetired`] if the data key of the log is not in the ring.
    pub fn add_task_run(
        &self,
        registry: &RegistryName,
        run: &NewTaskRun,
        object: NewObject,
    ) -> Result<TaskRunRow, StoreError> {
        let (claim, writer) = object.into_parts();
        let finished = writer.finish()?;
        let row = self.database.transact(|view| {
            let last: Option<u64> = view.row(Table::TaskRuns, &key(&[registry]))?;
            let row = TaskRunRow { number: last.unwrap_or_default() + 1, run: run.clone() };
            view.own_file(registry, claim.id(), run.log.data_key)?;
            view.put(Table::TaskRuns, key(&[registry]), &row.number)?;
            view.put(Table::TaskRuns, run_key(registry, row.number), &row)?;
            view.put_bytes(Table::TaskRunEnds, end_key(registry, &row), Vec::new())?;
            view.attach(&finished);
            Ok(row)
        })?;
        finished.keep();
        self.database.commit()?;
        Ok(row)
    }

    /// A run by its number.
    pub fn task_run(
        &self,
        registry: &RegistryName,
        number: u64,
    ) -> Result<Option<TaskRunRow>, StoreError> {
        self.database.row(Table::TaskRuns, &run_key(registry, number))
    }

    /// All runs of a registry, the oldest first.
    pub fn task_runs(
        &self,
        registry: &RegistryName,
    ) -> impl Iterator<Item = Result<TaskRunRow, StoreError>> + use<> {
        self.database.scan(Table::TaskRuns, &prefix(&[registry])).map(|row| decode(&row?.1))
    }

    /// The next expiry of a run after a moment: seconds since 1970, emulator time.
    pub fn next_task_run_end(
        &self,
        registry: &RegistryName,
        after: i64,
    ) -> Result<Option<i64>, StoreError> {
        let after = moment(after.saturating_add(1));
        let ends = self.database.scan_after(Table::TaskRunEnds, &prefix(&[registry]), Some(&after));
        ends.map(|row| end_of(&row?.0)).next().transpose()
    }

    /// Removes a run and its log. Durable. Returns false if there is no such run.
    pub fn remove_task_run(
        &self,
        registry: &RegistryName,
        number: u64,
    ) -> Result<bool, StoreError> {
        let removed =
            self.database.transact_for(Purpose::Removal, |view| forget(view, registry, number))?;
        let Some(row) = removed else {
            return Ok(false);
        };
        self.database.commit()?;
        self.objects.delete(row.run.log.file)?;
        Ok(true)
    }

    /// Removes the runs that expire at `now` or before, in the order of expiry, and returns them. Durable.
    pub fn expire_task_runs(
        &self,
        registry: &RegistryName,
        now: i64,
    ) -> Result<Vec<TaskRunRow>, StoreError> {
        let mut expired = Vec::new();
        for row in self.database.scan(Table::TaskRunEnds, &prefix(&[registry])) {
            let (end, _) = row?;
            if now < end_of(&end)? {
                break;
            }
            let number =
                u64::from_str_radix(&nth_part::<String>(&end, 2)?, 16).map_err(|_| damaged())?;
            expired.extend(
                self.database
                    .transact_for(Purpose::Removal, |view| forget(view, registry, number))?,
            );
        }
        if !expired.is_empty() {
            self.database.commit()?;
        }
        for row in &expired {
            self.objects.delete(row.run.log.file)?;
        }
        Ok(expired)
    }
}

fn forget(
    view: &View<'_>,
    registry: &RegistryName,
    number: u64,
) -> Result<Option<TaskRunRow>, StoreError> {
    let Some(row) = view.row::<TaskRunRow>(Table::TaskRuns, &run_key(registry, number))? else {
        return Ok(None);
    };
    view.remove(Table::TaskRuns, run_key(registry, number))?;
    view.remove(Table::TaskRunEnds, end_key(registry, &row))?;
    view.disown_file(registry, row.run.log.file, row.run.log.data_key)?;
    Ok(Some(row))
}

/// A fixed number of digits, so that keys sort by number.
fn run_key(registry: &RegistryName, number: u64) -> Vec<u8> {
    key(&[registry, &format!("{number:016x}")])
}

fn end_key(registry: &RegistryName, row: &TaskRunRow) -> Vec<u8> {
    key(&[registry, &moment(row.run.ends), &format!("{:016x}", row.number)])
}

/// Texts sort like moments, from 1970 on.
fn moment(seconds: i64) -> String {
    format!("{:016x}", seconds.max(0))
}

fn end_of(key: &[u8]) -> Result<i64, StoreError> {
    i64::from_str_radix(&nth_part::<String>(key, 1)?, 16).map_err(|_| damaged())
}

fn damaged() -> StoreError {
    StoreError::Damaged("a row of a task run has an invalid key".to_owned())
}
