//! Which keys there are and how they stand. Of an outcome it knows only in which cell it lies, so that everything here is
//! compiled once and not for every kind of outcome.

use super::ends::Ends;
use crate::clock::Tick;
use crate::error::ErrorKind;
use crate::flight::Flight;
use crate::key::{Form, Key, Print, Text};
use foldhash::fast::RandomState;
use hashbrown::raw::RawTable;
use std::sync::Arc;

/// Below this many places memory is not worth giving back.
const FEW: usize = 64;

/// Where an outcome lies, in the cells beside the index.
pub(super) type Cell = u32;

pub(super) enum Slot<P> {
    /// An outcome that answers until its end.
    Kept { end: Tick, print: P, cell: Cell },
    /// An execution in flight; without followers it takes no allocation.
    Led { print: P, flight: Option<Arc<Flight>> },
}

const _: () = assert!(
    size_of::<Slot<crate::key::NoFingerprint>>() == 16,
    "a record is its end and its cell, with the state in the end's niche"
);

pub(super) struct Index<P> {
    slots: RawTable<(Key, Slot<P>)>,
    ends: Ends,
    free: Vec<Cell>,
    cells: Cell,
}

/// Who asks for a key, and when.
pub(super) struct Asker<'a, P> {
    pub(super) text: &'a Text<'a>,
    pub(super) print: P,
    pub(super) reject: bool,
    pub(super) table: usize,
    pub(super) now: Tick,
}

/// What is found under a key.
pub(super) enum Met {
    Kept(Cell),
    /// An outcome has expired in this cell, and the caller now leads.
    Expired(Key, Cell),
    Absent,
    Flying(Arc<Flight>),
    Refused(ErrorKind),
}

/// How the leader's key stands when it has an outcome.
pub(super) enum Landing {
    /// It is not there: it was never this leader's.
    Gone,
    /// It was forgotten meanwhile.
    Forgotten,
    /// Followers wait for a copy.
    Followed,
    /// Nobody waits.
    Alone,
}

impl<P: Print> Index<P> {
    pub(super) fn new() -> Self {
        Self { slots: RawTable::new(), ends: Ends::default(), free: Vec::new(), cells: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The slot of a key, for reading. Each kind of key has a search of its own, which needs fewer registers.
    #[inline]
    pub(super) fn get(&self, hash: u64, text: &Text<'_>) -> Option<&Slot<P>> {
        match text.form() {
            Form::Short(short) => self.find(hash, |key| key.is_short(short)),
            Form::Lent(string) => self.get_string(hash, string),
            Form::Long(_) | Form::Refused(_) => self.get_long(hash, text),
        }
    }

    #[inline(never)]
    fn get_string(&self, hash: u64, string: &str) -> Option<&Slot<P>> {
        self.find(hash, |key| key.is_string(string))
    }

    #[inline(never)]
    fn get_long(&self, hash: u64, text: &Text<'_>) -> Option<&Slot<P>> {
        self.find(hash, |key| key.matches(text))
    }

    #[inline]
    fn find(&self, hash: u64, is_it: impl Fn(&Key) -> bool) -> Option<&Slot<P>> {
        self.slots.get(hash, |(key, _)| is_it(key)).map(|(_, slot)| slot)
    }

    fn of_key(&mut self, hash: u64, key: &Key) -> Option<&mut Slot<P>> {
        self.slots.get_mut(hash, |(held, _)| held == key).map(|(_, slot)| slot)
    }

    /// Looks a key up for who asks, and takes it over where its outcome has expired.
    pub(super) fn meet(&mut self, hash: u64, asker: &Asker<'_, P>) -> Met {
        let Asker { text, print, reject, table, now } = *asker;
        let Some((_, slot)) = self.slots.get_mut(hash, |(key, _)| key.matches(text)) else { return Met::Absent };
        match slot {
            Slot::Kept { end, print: kept, cell } if *end > now => {
                if *kept == print {
                    Met::Kept(*cell)
                } else {
                    Met::Refused(ErrorKind::KeyReused)
                }
            }
            Slot::Kept { cell, .. } => {
                let Some(key) = text.to_key() else { return Met::Refused(ErrorKind::InvalidKey) };
                let cell = *cell;
                *slot = Slot::Led { print, flight: None };
                self.free.push(cell);
                Met::Expired(key, cell)
            }
            Slot::Led { print: led, .. } if *led != print => Met::Refused(ErrorKind::KeyReused),
            Slot::Led { .. } if crate::context::is_inside(table, text) => Met::Refused(ErrorKind::Reentrant),
            Slot::Led { .. } if reject => Met::Refused(ErrorKind::InFlight),
            Slot::Led { flight, .. } => {
                let flight = flight.get_or_insert_with(|| Arc::new(Flight::new()));
                flight.seat().followers += 1;
                Met::Flying(flight.clone())
            }
        }
    }

    /// A new key, and its leader.
    pub(super) fn lead(&mut self, hash: u64, key: Key, print: P, hasher: &RandomState) {
        let slot = Slot::Led { print, flight: None };
        self.slots.insert(hash, (key, slot), |(key, _)| key.hash_with(hasher));
    }

    pub(super) fn landing(&mut self, hash: u64, key: &Key) -> Landing {
        match self.of_key(hash, key) {
            Some(Slot::Led { flight: None, .. }) => Landing::Alone,
            Some(Slot::Led { flight: Some(flight), .. }) => {
                let seat = flight.seat();
                match (seat.forgotten, seat.followers) {
                    (true, _) => Landing::Forgotten,
                    (false, 0) => Landing::Alone,
                    (false, _) => Landing::Followed,
                }
            }
            Some(Slot::Kept { .. }) | None => Landing::Gone,
        }
    }

    /// Ends the flight with a record; its cell, and whoever waited.
    pub(super) fn keep(
        &mut self,
        hash: u64,
        key: &Key,
        end: Tick,
        hasher: &RandomState,
    ) -> Option<(Cell, Option<Arc<Flight>>)> {
        let cell = self.next_cell();
        let slot = self.of_key(hash, key)?;
        let Slot::Led { print, flight } = slot else { return None };
        let (print, flight) = (*print, flight.take());
        *slot = Slot::Kept { end, print, cell };
        self.kept(hash, end, hasher);
        Some((cell, flight))
    }

    /// The same where nobody waits, which is almost always; nothing where somebody does.
    pub(super) fn keep_alone(&mut self, hash: u64, key: &Key, end: Tick, hasher: &RandomState) -> Option<Cell> {
        let cell = self.next_cell();
        let slot = self.of_key(hash, key)?;
        let Slot::Led { print, flight: None } = *slot else { return None };
        *slot = Slot::Kept { end, print, cell };
        self.kept(hash, end, hasher);
        Some(cell)
    }

    fn next_cell(&self) -> Cell {
        self.free.last().copied().unwrap_or(self.cells)
    }

    /// There is one record more, in the next cell.
    fn kept(&mut self, hash: u64, end: Tick, hasher: &RandomState) {
        if self.free.pop().is_none() {
            self.cells += 1;
        }
        if end != Tick::NEVER {
            if self.ends.are_mostly_stale(self.slots.len()) {
                let slots = &self.slots;
                self.ends.retain(&mut |end, hash| slots.get(hash, is_record_of(end, hash, hasher)).is_some());
            }
            self.ends.push(end, hash);
        }
    }

    /// Ends the flight without a record; whoever waited.
    pub(super) fn drop_flight(&mut self, hash: u64, key: &Key) -> Option<Arc<Flight>> {
        match self.slots.remove_entry(hash, |(held, _)| held == key)? {
            (_, Slot::Led { flight, .. }) => flight,
            (_, Slot::Kept { cell, .. }) => {
                self.free.push(cell);
                None
            }
        }
    }

    /// The leader gives up: the flight whose followers are to be woken, or whether the key is free now.
    pub(super) fn vacate(&mut self, hash: u64, key: &Key) -> Result<Arc<Flight>, bool> {
        let Some(Slot::Led { flight, .. }) = self.of_key(hash, key) else { return Err(false) };
        if let Some(flight) = flight.as_ref().filter(|flight| flight.seat().vacate()) {
            return Ok(flight.clone());
        }
        self.drop_flight(hash, key);
        Err(true)
    }

    /// A follower leaves; whether the key is free now, since it was the last one beside a vacant seat.
    pub(super) fn leave(&mut self, hash: u64, key: &Key, left: &Arc<Flight>) -> bool {
        let Some(Slot::Led { flight: Some(flight), .. }) = self.of_key(hash, key) else { return false };
        if !Arc::ptr_eq(flight, left) {
            return false;
        }
        let mut seat = flight.seat();
        seat.followers -= 1;
        let abandoned = !seat.taken && seat.followers == 0;
        drop(seat);
        if abandoned {
            self.drop_flight(hash, key);
        }
        abandoned
    }

    /// Takes a record away, or marks it where it is in flight: whether it still answered, and its cell.
    pub(super) fn forget(&mut self, hash: u64, text: &Text<'_>, now: Tick) -> Option<(bool, Option<Cell>)> {
        let (_, slot) = self.slots.get_mut(hash, |(key, _)| key.matches(text))?;
        let (live, cell) = match slot {
            Slot::Led { .. } => {
                mark(slot);
                return Some((true, None));
            }
            Slot::Kept { end, cell, .. } => (*end > now, *cell),
        };
        self.slots.remove_entry(hash, |(key, _)| key.matches(text));
        self.free.push(cell);
        Some((live, Some(cell)))
    }

    /// Takes all records away and marks what is in flight; how many records, and how many in flight. No cell is in use
    /// any more.
    pub(super) fn clear(&mut self, hasher: &RandomState) -> (usize, usize) {
        let all = std::mem::take(&mut self.slots);
        let records = all.len();
        self.ends.clear();
        self.free = Vec::new();
        self.cells = 0;
        for (key, mut slot) in all {
            if let Slot::Led { .. } = slot {
                mark(&mut slot);
                self.slots.insert(key.hash_with(hasher), (key, slot), |(key, _)| key.hash_with(hasher));
            }
        }
        (records - self.slots.len(), self.slots.len())
    }

    /// Takes up to `limit` records that have ended away; their cells.
    pub(super) fn sweep(&mut self, now: Tick, limit: usize, hasher: &RandomState) -> Vec<Cell> {
        let mut cells = Vec::new();
        while cells.len() < limit
            && let Some((end, hash)) = self.ends.pop(now)
        {
            if let Some((_, Slot::Kept { cell, .. })) = self.slots.remove_entry(hash, is_record_of(end, hash, hasher)) {
                cells.push(cell);
            }
        }
        if !cells.is_empty() {
            self.free.extend_from_slice(&cells);
            self.ends.tidy();
            if self.slots.capacity() > FEW && self.slots.len() < self.slots.capacity() / 4 {
                let room = self.slots.len() * 2;
                self.slots.shrink_to(room, |(key, _)| key.hash_with(hasher));
            }
        }
        cells
    }

    /// Numbers the cells anew once most are free; which old cell lies in each new one.
    pub(super) fn compact(&mut self, hasher: &RandomState) -> Option<Vec<Cell>> {
        let used = self.cells as usize - self.free.len();
        if (self.cells as usize) < FEW || used >= self.cells as usize / 4 {
            return None;
        }
        let mut order = Vec::with_capacity(used);
        let room = self.slots.len();
        let slots = std::mem::replace(&mut self.slots, RawTable::with_capacity(room));
        for (key, mut slot) in slots {
            if let Slot::Kept { cell, .. } = &mut slot {
                order.push(*cell);
                // There are no more cells than numbers for them.
                *cell = Cell::try_from(order.len() - 1).unwrap_or(Cell::MAX);
            }
            self.slots.insert(key.hash_with(hasher), (key, slot), |(key, _)| key.hash_with(hasher));
        }
        self.free = Vec::new();
        self.cells = Cell::try_from(order.len()).unwrap_or(Cell::MAX);
        Some(order)
    }
}

/// The outcome of the execution in flight is not to be kept; its key stays taken meanwhile.
fn mark<P>(slot: &mut Slot<P>) {
    if let Slot::Led { flight, .. } = slot {
        let mut seat = flight.get_or_insert_with(|| Arc::new(Flight::new())).seat();
        // A vacant seat's next execution begins after this.
        seat.forgotten = seat.taken;
    }
}

/// Whether a record is the one that an end belongs to. The end alone does not tell: many records have one end, and the
/// map asks about each whose hash looks alike in its first bits.
fn is_record_of<P>(end: Tick, hash: u64, hasher: &RandomState) -> impl Fn(&(Key, Slot<P>)) -> bool {
    move |(key, slot)| matches!(slot, Slot::Kept { end: at, .. } if *at == end) && key.hash_with(hasher) == hash
}
