//! What a node of the hash table keeps for others: who provides which tag, and nothing else.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use hobnob_wire::overlay::Tag;
use libp2p::PeerId;
use libp2p::kad::store::{Error, RecordStore, Result};
use libp2p::kad::{ProviderRecord, Record, RecordKey};

/// Records in all: a few MiB.
const RECORDS_MAX: usize = 16_384;
/// Providers of one tag. One is right; a forger has to be there first.
const PROVIDERS_MAX: usize = 4;
/// Records of one provider.
const PROVIDED_MAX: usize = 256;
/// Addresses of one record.
const ADDRESSES_MAX: usize = 8;

/// How often to look through all records for those that have expired, at most.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Provider records within bounds. Values are refused: nobody of ours stores any.
#[derive(Debug)]
pub(super) struct Table {
    own: PeerId,
    records: HashMap<RecordKey, Vec<ProviderRecord>>,
    /// How many records each provider has.
    counts: BTreeMap<PeerId, usize>,
    len: usize,
    swept: Option<Instant>,
}

impl Table {
    pub(super) fn new(own: PeerId) -> Self {
        Self { own, records: HashMap::new(), counts: BTreeMap::new(), len: 0, swept: None }
    }

    /// How many records there are.
    #[cfg(test)]
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Forgets what has expired. Kademlia itself does so only with what somebody looks for.
    fn sweep(&mut self, now: Instant) {
        if self.swept.is_some_and(|swept| now < swept + SWEEP_EVERY) {
            return;
        }
        self.swept = Some(now);
        let (counts, len) = (&mut self.counts, &mut self.len);
        self.records.retain(|_, records| {
            records.retain(|record| {
                let expired = record.is_expired(now);
                if expired {
                    *len -= 1;
                    forget_one(counts, &record.provider);
                }
                !expired
            });
            !records.is_empty()
        });
    }
}

fn forget_one(counts: &mut BTreeMap<PeerId, usize>, provider: &PeerId) {
    if let Some(count) = counts.get_mut(provider) {
        *count -= 1;
        if *count == 0 {
            counts.remove(provider);
        }
    }
}

impl RecordStore for Table {
    type RecordsIter<'a> = std::iter::Empty<Cow<'a, Record>>;
    type ProvidedIter<'a> = std::vec::IntoIter<Cow<'a, ProviderRecord>>;

    fn get(&self, _: &RecordKey) -> Option<Cow<'_, Record>> {
        None
    }

    fn put(&mut self, _: Record) -> Result<()> {
        Err(Error::ValueTooLarge)
    }

    fn remove(&mut self, _: &RecordKey) {}

    fn records(&self) -> Self::RecordsIter<'_> {
        std::iter::empty()
    }

    fn add_provider(&mut self, mut record: ProviderRecord) -> Result<()> {
        if record.key.as_ref().len() != Tag::LEN {
            return Err(Error::ValueTooLarge);
        }
        record.addresses.truncate(ADDRESSES_MAX);
        if let Some(known) = self.records.get_mut(&record.key)
            && let Some(known) = known.iter_mut().find(|known| known.provider == record.provider)
        {
            *known = record;
            return Ok(());
        }
        if self.len >= RECORDS_MAX {
            self.sweep(Instant::now());
        }
        let count = self.counts.get(&record.provider).copied().unwrap_or(0);
        let providers = self.records.get(&record.key).map_or(0, Vec::len);
        if self.len >= RECORDS_MAX || count >= PROVIDED_MAX || providers >= PROVIDERS_MAX {
            return Err(Error::MaxProvidedKeys);
        }
        *self.counts.entry(record.provider).or_default() += 1;
        self.len += 1;
        self.records.entry(record.key.clone()).or_default().push(record);
        Ok(())
    }

    fn providers(&self, key: &RecordKey) -> Vec<ProviderRecord> {
        self.records.get(key).cloned().unwrap_or_default()
    }

    fn provided(&self) -> Self::ProvidedIter<'_> {
        let records = self.records.values().flatten().filter(|record| record.provider == self.own);
        records.map(Cow::Borrowed).collect::<Vec<_>>().into_iter()
    }

    fn remove_provider(&mut self, key: &RecordKey, provider: &PeerId) {
        let Some(records) = self.records.get_mut(key) else {
            return;
        };
        let before = records.len();
        records.retain(|record| record.provider != *provider);
        if records.len() < before {
            self.len -= 1;
            forget_one(&mut self.counts, provider);
        }
        if records.is_empty() {
            self.records.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(tag: u32, provider: PeerId) -> ProviderRecord {
        let key = RecordKey::new(blake3::hash(&tag.to_be_bytes()).as_bytes());
        ProviderRecord::new(key, provider, vec!["/ip4/192.0.2.1/tcp/7701".parse().unwrap(); 100])
    }

    #[test]
    fn a_flood_of_records_stays_within_bounds() {
        let own = PeerId::random();
        let mut table = Table::new(own);
        let flood = PeerId::random();
        let kept = (0..1_000).filter(|tag| table.add_provider(record(*tag, flood)).is_ok()).count();
        assert_eq!(kept, PROVIDED_MAX);
        let kept = (0..100).filter(|_| table.add_provider(record(7, PeerId::random())).is_ok()).count();
        assert_eq!(kept, PROVIDERS_MAX - 1);
        assert_eq!(table.providers(&record(7, flood).key)[0].addresses.len(), ADDRESSES_MAX);
        for tag in 0..100_000 {
            drop(table.add_provider(record(tag, PeerId::random())));
        }
        assert_eq!(table.len, RECORDS_MAX);
        assert!(table.put(Record::new(vec![0; 32], vec![])).is_err());
        assert!(table.add_provider(ProviderRecord::new(vec![0; 31], flood, vec![])).is_err());
    }

    #[test]
    fn what_expired_makes_place_and_what_was_removed_is_gone() {
        let own = PeerId::random();
        let mut table = Table::new(own);
        for tag in 0..u32::try_from(RECORDS_MAX).unwrap() {
            let expired = ProviderRecord {
                expires: Instant::now().checked_sub(Duration::from_secs(1)),
                ..record(tag, PeerId::random())
            };
            table.add_provider(expired).unwrap();
        }
        table.add_provider(record(1, own)).unwrap();
        assert_eq!((table.len, table.counts.len(), table.provided().count()), (1, 1, 1));
        table.remove_provider(&record(1, own).key, &own);
        assert_eq!((table.len, table.counts.len(), table.records.len()), (0, 0, 0));
    }
}
