//! What the rendezvous must remember of itself: OPAQUE's long-term secrets and its domain.

use hobnob_wire::Domain;
use hobnob_wire::opaque::Suite;
use opaque_ke::ServerSetup;
use rusqlite::OptionalExtension;
use zeroize::Zeroizing;

use super::value::damaged;
use super::{Tx, failed};
use crate::core::store::Stored;
use crate::random::Random;

const OPAQUE_SETUP: &str = "opaque_setup";
const DOMAIN: &str = "domain";

impl Tx<'_> {
    fn server_value(&self, key: &str) -> Stored<Option<Zeroizing<Vec<u8>>>> {
        let mut statement =
            self.tx.prepare_cached("SELECT value FROM server WHERE key = ?").map_err(failed)?;
        let value = statement.query_row([key], |row| row.get::<_, Vec<u8>>(0)).optional().map_err(failed)?;
        Ok(value.map(Zeroizing::new))
    }

    fn set_server_value(&self, key: &str, value: &[u8]) -> Stored<()> {
        let mut statement =
            self.tx.prepare_cached("INSERT INTO server (key, value) VALUES (?, ?)").map_err(failed)?;
        statement.execute((key, value)).map_err(failed)?;
        Ok(())
    }

    /// OPAQUE's long-term secrets, made at the first call and never again: with others no password would be right.
    ///
    /// # Errors
    /// [`StoreError`](crate::core::store::StoreError).
    pub fn opaque_setup(&mut self, rng: &mut dyn Random) -> Stored<ServerSetup<Suite>> {
        if let Some(kept) = self.server_value(OPAQUE_SETUP)? {
            return ServerSetup::deserialize(&kept).map_err(|_| damaged("server.opaque_setup"));
        }
        let mut rng = rng;
        let made = ServerSetup::<Suite>::new(&mut rng);
        self.set_server_value(OPAQUE_SETUP, &Zeroizing::new(made.serialize().to_vec()))?;
        Ok(made)
    }

    /// The domain of every account here; `None` before the first start.
    ///
    /// # Errors
    /// [`StoreError`](crate::core::store::StoreError).
    pub fn domain(&mut self) -> Stored<Option<Domain>> {
        let Some(kept) = self.server_value(DOMAIN)? else {
            return Ok(None);
        };
        let text = std::str::from_utf8(&kept).map_err(|_| damaged("server.domain"))?;
        text.parse().map(Some).map_err(|_| damaged("server.domain"))
    }

    /// Settles the domain for good.
    ///
    /// # Errors
    /// [`StoreError`](crate::core::store::StoreError), also when it is settled.
    pub fn settle_domain(&mut self, domain: &Domain) -> Stored<()> {
        self.set_server_value(DOMAIN, domain.as_str().as_bytes())
    }
}
