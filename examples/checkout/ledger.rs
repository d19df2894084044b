//! The bank's books: a file to which a line is added for every charge, and from which none is taken away.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::requests::{Currency, Payment};

/// A line of the books.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Charge {
    pub(crate) number: u64,
    /// What the customer of the bank, the shop, calls the charge: money is taken once for it.
    pub(crate) reference: String,
    pub(crate) payment: String,
    pub(crate) amount: u64,
    pub(crate) currency: Currency,
}

#[derive(Debug)]
pub(crate) struct Ledger {
    file: File,
    earlier: usize,
    pages: Mutex<Pages>,
    /// How many charges are known to be on the disk.
    safe: Mutex<usize>,
}

#[derive(Debug, Default)]
struct Pages {
    charges: Vec<Charge>,
    /// Where in `charges`, by reference.
    places: HashMap<String, usize>,
    length: u64,
}

pub(crate) struct Posted {
    pub(crate) number: u64,
    /// Whether the money was taken now.
    pub(crate) is_new: bool,
}

impl Ledger {
    /// Opens the books, with what earlier runs have written.
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        let open = || -> io::Result<Self> {
            let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
            file.try_lock().map_err(io::Error::from)?;
            let mut text = String::new();
            file.read_to_string(&mut text)?;
            // A line that was not finished before the power went is a charge that nobody was told of.
            text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
            file.set_len(text.len() as u64)?;
            let mut pages = Pages { length: text.len() as u64, ..Pages::default() };
            for line in text.lines() {
                pages.add(serde_json::from_str(line)?);
            }
            let earlier = pages.charges.len();
            Ok(Self { file, earlier, pages: Mutex::new(pages), safe: Mutex::new(earlier) })
        };
        open().map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Writes a charge down, unless there is one with this reference. It is on the disk before it is answered.
    pub(crate) fn post(&self, reference: &str, payment: &Payment) -> io::Result<Posted> {
        let mut pages = self.pages();
        let place = pages.places.get(reference).copied();
        let is_new = place.is_none();
        let place = match place {
            Some(place) => place,
            None => self.write(&mut pages, reference, payment)?,
        };
        let number = pages.charges[place].number;
        drop(pages);
        self.save(place)?;
        Ok(Posted { number, is_new })
    }

    fn write(&self, pages: &mut Pages, reference: &str, payment: &Payment) -> io::Result<usize> {
        let charge = Charge {
            number: pages.charges.len() as u64 + 1,
            reference: reference.to_owned(),
            payment: payment.id.clone(),
            amount: payment.amount,
            currency: payment.currency,
        };
        let mut line = serde_json::to_vec(&charge)?;
        line.push(b'\n');
        if let Err(error) = (&self.file).write_all(&line) {
            self.file.set_len(pages.length)?;
            return Err(error);
        }
        pages.length += line.len() as u64;
        Ok(pages.add(charge))
    }

    /// Whoever comes while the disk is written waits, and finds his charge saved by the next one's turn.
    fn save(&self, place: usize) -> io::Result<()> {
        let mut safe = self.safe.lock().unwrap_or_else(PoisonError::into_inner);
        if *safe <= place {
            let written = self.pages().charges.len();
            self.file.sync_data()?;
            *safe = written;
        }
        Ok(())
    }

    /// How many charges were there when the books were opened.
    pub(crate) fn earlier(&self) -> usize {
        self.earlier
    }

    pub(crate) fn charges(&self) -> Vec<Charge> {
        self.pages().charges.clone()
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    fn add(&mut self, charge: Charge) -> usize {
        let place = self.charges.len();
        self.places.insert(charge.reference.clone(), place);
        self.charges.push(charge);
        place
    }
}
