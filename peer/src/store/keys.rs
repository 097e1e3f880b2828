//! Identity, Olm account and sessions, pinned device lists.

use hobnob_wire::codec::{decode, encode};
use hobnob_wire::device::ListHead;
use hobnob_wire::keys::{SigningKey, VerifyKey};
use hobnob_wire::noise::NoiseKeypair;
use hobnob_wire::{Address, DeviceId};
use rusqlite::{OptionalExtension, Row, params};
use zeroize::Zeroizing;

use super::column::{address, count, read};
use super::{StoreError, Tx};
use crate::core::keys::Identity;
use crate::core::keys::olm::Pickle;
use crate::core::keys::trust::Pinned;
use crate::core::store::{KeyStore, OLM_SESSIONS_MAX, SavedSession};
use crate::core::view::Verification;

fn identity(row: &Row<'_>) -> Result<Identity, StoreError> {
    let signing = SigningKey::from_seed(&Zeroizing::new(row.get(1)?));
    let device = DeviceId::of(&signing.verify_key());
    Ok(Identity {
        address: address(row, 0)?,
        device,
        signing,
        noise: NoiseKeypair::from_secret(Zeroizing::new(row.get(2)?)),
        root: VerifyKey::new(row.get(3)?),
        rendezvous: read(row, 4, |invite: String| invite.parse().ok())?,
    })
}

fn pinned(row: &Row<'_>) -> Result<Pinned, StoreError> {
    Ok(Pinned {
        root: VerifyKey::new(row.get(0)?),
        head: ListHead { seq: row.get(1)?, hash: row.get(2)? },
        list: read(row, 3, |bytes: Vec<u8>| decode(&bytes).ok())?,
        warning: row.get(4)?,
        verified: row.get::<_, Option<[u8; 32]>>(5)?.map(VerifyKey::new),
        offered: read(row, 6, |bytes: Option<Vec<u8>>| {
            bytes.map_or(Some(None), |bytes| decode(&bytes).ok().map(Some))
        })?,
    })
}

/// How far an identity is known, from its root, the one that was compared, and whether another one is offered.
pub(super) fn verification(row: &Row<'_>, first: usize) -> rusqlite::Result<Verification> {
    let root: Option<[u8; 32]> = row.get(first)?;
    let compared: Option<[u8; 32]> = row.get(first + 1)?;
    let is_offered: bool = row.get(first + 2)?;
    Ok(Verification::of(compared.map(|compared| Some(compared) == root), is_offered))
}

impl KeyStore for Tx<'_> {
    fn identity(&mut self) -> Result<Option<Identity>, StoreError> {
        let sql = "SELECT address, signing_seed, noise_secret, root_key, rendezvous FROM identity";
        let found =
            self.transaction.prepare_cached(sql)?.query_row([], |row| Ok(identity(row))).optional()?;
        found.transpose()
    }

    fn set_identity(&mut self, identity: &Identity, root: Option<&SigningKey>) -> Result<(), StoreError> {
        let root = root.map(SigningKey::seed);
        self.transaction.execute(
            "INSERT INTO identity (one, address, signing_seed, noise_secret, root_key, root_seed, rendezvous)
             VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                identity.address.as_str(),
                identity.signing.seed().as_slice(),
                identity.noise.secret().as_slice(),
                identity.root.as_bytes(),
                root.as_ref().map(|root| root.as_slice()),
                identity.rendezvous.to_string(),
            ],
        )?;
        Ok(())
    }

    fn olm_account(&mut self) -> Result<Option<Pickle>, StoreError> {
        let sql = "SELECT olm_account FROM identity WHERE olm_account IS NOT NULL";
        let found = self.transaction.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?;
        Ok(found.map(Pickle::new))
    }

    fn set_olm_account(&mut self, account: &Pickle) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached("UPDATE identity SET olm_account = ?1")?
            .execute([account.as_slice()])?;
        Ok(())
    }

    fn olm_sessions(&mut self, device: DeviceId) -> Result<Vec<SavedSession>, StoreError> {
        let sql = "SELECT id, pickle FROM olm_sessions WHERE device = ?1 ORDER BY rank DESC";
        let mut statement = self.transaction.prepare_cached(sql)?;
        let rows = statement.query_map([device.as_bytes()], |row| {
            Ok(SavedSession { id: row.get(0)?, pickle: Pickle::new(row.get(1)?) })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn put_olm_session(
        &mut self,
        device: DeviceId,
        session: &SavedSession,
        prefer: bool,
    ) -> Result<(), StoreError> {
        let highest = "(SELECT coalesce(max(rank), 0) FROM olm_sessions WHERE device = ?1)";
        let rank = if prefer { format!("{highest} + 1") } else { "rank".to_owned() };
        let sql = format!(
            "INSERT INTO olm_sessions (device, id, pickle, rank) VALUES (?1, ?2, ?3, {highest} + 1)
             ON CONFLICT (device, id) DO UPDATE SET pickle = excluded.pickle, rank = {rank}"
        );
        self.transaction.prepare_cached(&sql)?.execute(params![
            device.as_bytes(),
            session.id,
            session.pickle.as_slice()
        ])?;
        self.transaction
            .prepare_cached(
                "DELETE FROM olm_sessions WHERE device = ?1 AND id NOT IN
                 (SELECT id FROM olm_sessions WHERE device = ?1 ORDER BY rank DESC LIMIT ?2)",
            )?
            .execute(params![device.as_bytes(), count(OLM_SESSIONS_MAX)])?;
        Ok(())
    }

    fn pin(&mut self, address: &Address) -> Result<Option<Pinned>, StoreError> {
        let sql = "SELECT root_key, head_seq, head_hash, list, warning, verified_root, offered
                   FROM pins WHERE address = ?1";
        let mut statement = self.transaction.prepare_cached(sql)?;
        let found = statement.query_row([address.as_str()], |row| Ok(pinned(row))).optional()?;
        found.transpose()
    }

    fn standing(&mut self, address: &Address) -> Result<(Option<String>, Verification), StoreError> {
        let sql = "SELECT warning, root_key, verified_root, offered IS NOT NULL FROM pins WHERE address = ?1";
        let mut statement = self.transaction.prepare_cached(sql)?;
        let found = statement.query_row([address.as_str()], |row| Ok((row.get(0)?, verification(row, 1)?)));
        Ok(found.optional()?.unwrap_or_default())
    }

    fn put_pin(&mut self, address: &Address, pin: &Pinned) -> Result<(), StoreError> {
        let encoded = |list| encode(list).map_err(|_| StoreError::Damaged("a device list over its limit"));
        let list = encoded(&pin.list)?;
        let offered = pin.offered.as_ref().map(encoded).transpose()?;
        self.transaction
            .prepare_cached(
                "INSERT INTO pins (address, root_key, head_seq, head_hash, list, warning, verified_root, offered)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (address) DO UPDATE SET
                 root_key = excluded.root_key, head_seq = excluded.head_seq, head_hash = excluded.head_hash,
                 list = excluded.list, warning = excluded.warning, verified_root = excluded.verified_root,
                 offered = excluded.offered",
            )?
            .execute(params![
                address.as_str(),
                pin.root.as_bytes(),
                pin.head.seq,
                pin.head.hash,
                list,
                pin.warning,
                pin.verified.as_ref().map(VerifyKey::as_bytes),
                offered
            ])?;
        Ok(())
    }
}
