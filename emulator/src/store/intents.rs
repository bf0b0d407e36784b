//! The intents: the plans of operations of several steps, stored from their begin to their end.
//!
//! An intent is stored before the first step that cannot be undone. The transaction with the last change of rows removes it
//! ([`End`]). So an intent that a start finds belongs to an interrupted operation. The domain knows the meaning of an operation
//! and how to resume it: the parameters are opaque here.
//!
//! The intent of a deletion may use the reserve for removals. Any other intent is refused on a full disk, because it can
//! be as long as the reserve. Steps and ends are small, and are possible on a full disk.
//!
//! Parameters can be longer than a row. They are cut into pieces, and the head has their number.

use azure_emulator_core::disk_space::Purpose;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::encoding::{decode, key, nth_part};
use super::error::StoreError;
use super::handle::Store;
use super::tables::Table;
use super::view::View;

/// The part of the key that names the head. Pieces have numbers.
const HEAD: &str = "head";
/// The length of a piece. Each is below the limit of a row.
const PIECE: usize = 3500;
/// How many outcomes are kept: the newest.
const MAX_OUTCOMES: usize = 1000;

/// An operation that has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntentRow {
    /// Its id. Clients may know it.
    pub id: Uuid,
    /// The name of the operation.
    pub operation: String,
    /// The last step that it has reached; empty at the begin.
    pub step: String,
    /// When it began: milliseconds since 1970, emulator time.
    pub begun: i64,
    /// The parameters that it needs to continue.
    pub parameters: Vec<u8>,
    /// The reason why it cannot be read. Then only id and name are known, and the name may be empty.
    pub damage: Option<String>,
}

/// The result of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeRow {
    /// When: milliseconds since 1970, emulator time.
    pub ended: i64,
    /// The error of a failed operation; `None` if it succeeded.
    pub error: Option<Value>,
}

/// The operation that ends with a transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// No operation ends.
    #[default]
    Nothing,
    /// The intent is removed.
    Forget(Uuid),
    /// The intent is removed, and its outcome is kept for clients that ask.
    Keep(Uuid, OutcomeRow),
}

/// New parameters of a running operation, with the results of its steps so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntentNote {
    /// The id of the operation.
    pub id: Uuid,
    /// The parameters that replace the previous ones.
    pub parameters: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Head {
    operation: String,
    step: String,
    begun: i64,
    pieces: u32,
}

impl Store {
    /// Stores the intent of an operation that begins. Durable on return. `purpose` decides whether it may use the reserve.
    pub fn begin_intent(&self, row: &IntentRow, purpose: Purpose) -> Result<(), StoreError> {
        self.database.transact_for(purpose, |view| {
            let head = Head {
                operation: row.operation.clone(),
                step: row.step.clone(),
                begun: row.begun,
                pieces: view.put_pieces(row.id, &row.parameters)?,
            };
            view.put(Table::Intents, head_key(row.id), &head)
        })?;
        self.database.commit()
    }

    /// Records the step that an operation has reached. Durable on return. Returns false if there is no such intent.
    pub fn reach_step(&self, id: Uuid, step: &str) -> Result<bool, StoreError> {
        let reached = self.database.transact_for(Purpose::Removal, |view| {
            view.change(Table::Intents, head_key(id), |head: &mut Head| {
                step.clone_into(&mut head.step);
            })
        })?;
        self.database.commit()?;
        Ok(reached)
    }

    /// Ends an operation whose last step changed no row. Durable on return.
    pub fn end_intent(&self, end: &End) -> Result<(), StoreError> {
        self.database.transact_for(Purpose::Removal, |view| view.end(end))?;
        self.database.commit()
    }

    /// The operations that have begun and not ended, the oldest first. A damaged row is no error: it says that it is damaged.
    pub fn intents(&self) -> Result<Vec<IntentRow>, StoreError> {
        let mut all = Vec::new();
        for row in self.database.scan(Table::Intents, &[]) {
            let (at, bytes) = row?;
            if nth_part::<String>(&at, 1)? != HEAD {
                continue;
            }
            let Ok(id) = id_of(&at) else {
                tracing::error!("an intent has no id and is skipped");
                continue;
            };
            let mut row = IntentRow {
                id,
                operation: String::new(),
                step: String::new(),
                begun: 0,
                parameters: Vec::new(),
                damage: None,
            };
            match decode::<Head>(&bytes) {
                Ok(Head { operation, step, begun, pieces }) => {
                    row = IntentRow { operation, step, begun, ..row };
                    for number in 0..pieces {
                        match self.database.bytes(Table::Intents, &piece_key(id, number))? {
                            Some(piece) => row.parameters.extend_from_slice(&piece),
                            None => row.damage = Some("a part of its intent is missing".to_owned()),
                        }
                    }
                }
                Err(error) => row.damage = Some(format!("its intent cannot be read: {error}")),
            }
            all.push(row);
        }
        all.sort_by_key(|row| (row.begun, row.id));
        Ok(all)
    }

    /// The outcome of the operation of this id, if it has ended and the outcome is kept.
    pub fn outcome(&self, id: Uuid) -> Result<Option<OutcomeRow>, StoreError> {
        self.database.row(Table::Outcomes, &key(&[&id]))
    }

    /// Removes the oldest outcomes if there are too many. Only in that case does it wait for the right to write.
    pub fn remove_old_outcomes(&self) -> Result<(), StoreError> {
        let mut all: Vec<(i64, Vec<u8>)> = Vec::new();
        for row in self.database.scan(Table::Outcomes, &[]) {
            let (at, bytes) = row?;
            // An unreadable outcome is useless: it is removed first.
            let ended = decode::<OutcomeRow>(&bytes).map_or(i64::MIN, |outcome| outcome.ended);
            all.push((ended, at.to_vec()));
        }
        let Some(too_many) = all.len().checked_sub(MAX_OUTCOMES).filter(|count| *count > 0) else {
            return Ok(());
        };
        all.sort();
        self.database.transact_for(Purpose::Removal, |view| {
            let mut old = all.iter().take(too_many);
            old.try_for_each(|(_, at)| view.remove(Table::Outcomes, at.clone()))
        })
    }
}

impl View<'_> {
    /// Replaces the parameters of an operation, unless it has ended.
    pub(super) fn note(&self, note: &IntentNote) -> Result<(), StoreError> {
        let at = head_key(note.id);
        let Some(mut head) = self.row::<Head>(Table::Intents, &at)? else { return Ok(()) };
        let pieces = self.put_pieces(note.id, &note.parameters)?;
        for number in pieces..head.pieces {
            self.remove(Table::Intents, piece_key(note.id, number))?;
        }
        head.pieces = pieces;
        self.put(Table::Intents, at, &head)
    }

    /// Stores parameters in pieces, and returns how many there are.
    fn put_pieces(&self, id: Uuid, parameters: &[u8]) -> Result<u32, StoreError> {
        let mut pieces = 0;
        for piece in parameters.chunks(PIECE) {
            self.put_bytes(Table::Intents, piece_key(id, pieces), piece.to_vec())?;
            pieces += 1;
        }
        Ok(pieces)
    }

    /// Removes the intent of an operation that ends with this transaction.
    pub(super) fn end(&self, end: &End) -> Result<(), StoreError> {
        let id = match end {
            End::Nothing => return Ok(()),
            End::Forget(id) => *id,
            End::Keep(id, outcome) => {
                self.put(Table::Outcomes, key(&[&id]), outcome)?;
                *id
            }
        };
        if let Some(head) = self.row::<Head>(Table::Intents, &head_key(id))? {
            for number in 0..head.pieces {
                self.remove(Table::Intents, piece_key(id, number))?;
            }
        }
        self.remove(Table::Intents, head_key(id))
    }
}

fn head_key(id: Uuid) -> Vec<u8> {
    key(&[&id, &HEAD])
}

fn piece_key(id: Uuid, number: u32) -> Vec<u8> {
    key(&[&id, &number])
}

fn id_of(at: &[u8]) -> Result<Uuid, StoreError> {
    nth_part::<String>(at, 0)?
        .parse()
        .map_err(|_| StoreError::Damaged("the id of an intent is not valid".to_owned()))
}

#[cfg(test)]
mod tests {
    use azure_emulator_core::durable::Durability;

    use super::*;

    fn row(parameters: Vec<u8>) -> IntentRow {
        IntentRow {
            id: Uuid::new_v4(),
            operation: "revoke".to_owned(),
            step: String::new(),
            begun: 1,
            parameters,
            damage: None,
        }
    }

    #[test]
    fn an_intent_with_a_lost_part_says_so_and_hides_no_other_intent() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Durability::Relaxed).unwrap();
        let (whole, cut, damaged) = (row(vec![1; 5000]), row(vec![1; 5000]), row(vec![1]));
        for row in [&whole, &cut, &damaged] {
            store.begin_intent(row, Purpose::Rows).unwrap();
        }
        let damage = |view: &View<'_>| {
            view.remove(Table::Intents, piece_key(cut.id, 1))?;
            view.put_bytes(Table::Intents, head_key(damaged.id), b"{".to_vec())
        };
        store.database.transact(damage).unwrap();

        let found = store.intents().unwrap();

        let damage_of = |id: Uuid| {
            let found = found.iter().find(|row| row.id == id).unwrap();
            (found.operation.as_str(), found.damage.is_some())
        };
        assert_eq!(found.len(), 3);
        assert!(found.contains(&whole));
        assert_eq!(damage_of(cut.id), ("revoke", true));
        assert_eq!(damage_of(damaged.id), ("", true));
    }

    #[test]
    fn new_parameters_replace_the_old_ones_whatever_their_length_and_begin_no_operation() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Durability::Relaxed).unwrap();
        let begun = row(vec![1; 2 * PIECE]);
        store.begin_intent(&begun, Purpose::Rows).unwrap();
        let note = |id: Uuid, parameters: Vec<u8>| {
            store
                .database
                .transact(|view| view.note(&IntentNote { id, parameters: parameters.clone() }))
        };

        for len in [1, 3 * PIECE, 0, PIECE] {
            note(begun.id, vec![2; len]).unwrap();

            let found = store.intents().unwrap();
            assert_eq!(found, [IntentRow { parameters: vec![2; len], ..begun.clone() }], "{len}");
        }
        store.end_intent(&End::Forget(begun.id)).unwrap();
        note(begun.id, vec![3]).unwrap();
        assert_eq!(store.database.scan(Table::Intents, &[]).count(), 0);
    }

    #[test]
    fn old_outcomes_are_removed_even_on_a_full_disk_and_unreadable_ones_first() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Durability::Relaxed).unwrap();
        let ids: Vec<Uuid> = (0..=MAX_OUTCOMES).map(|_| Uuid::new_v4()).collect();
        let fill = |view: &View<'_>| {
            for (ended, id) in (0..).zip(&ids) {
                view.end(&End::Keep(*id, OutcomeRow { ended, error: None }))?;
            }
            let newest = ids.last().map(ToString::to_string).unwrap_or_default();
            view.put_bytes(Table::Outcomes, key(&[&newest]), b"{".to_vec())
        };
        store.database.transact(fill).unwrap();
        store.disk_space().simulate(azure_emulator_core::disk_space::SimulatedDisk::Full);

        store.remove_old_outcomes().unwrap();

        let kept = store.database.scan(Table::Outcomes, &[]).count();
        assert_eq!(kept, MAX_OUTCOMES);
        assert!(store.outcome(ids[0]).unwrap().is_some());
        assert_eq!(store.outcome(ids[MAX_OUTCOMES]).unwrap(), None);
    }
}
