//! What users see of links and paths.

use std::sync::Arc;

use hobnob_nat::core::agent::{PathKind, PathReport};
use hobnob_wire::{Address, DeviceId};

use super::exchange::KnownPath;
use super::{Link, Links, State};
use crate::core::input::LinkId;
use crate::core::time::rfc3339;
use crate::core::view::{LinkView, PathNote, PathView};

impl Links {
    /// All links that are up, as users see them.
    pub(crate) fn views(&self) -> Vec<LinkView> {
        self.links.values().filter_map(|link| self.view(link)).collect()
    }

    pub(super) fn view(&self, link: &Link) -> Option<LinkView> {
        let State::Up { handshake, .. } = link.state else {
            return None;
        };
        Some(LinkView {
            address: link.address.clone(),
            device: link.device,
            path: self.path_to(link.device).as_str().to_owned(),
            handshake_us: u64::try_from(handshake.as_micros()).unwrap_or(u64::MAX),
        })
    }

    /// The path to an account as users see it: that of any link to it.
    pub(crate) fn path(&self, address: &Address) -> &'static str {
        let up = |link: &&Link| link.address == *address && matches!(link.state, State::Up { .. });
        let link = self.links.values().find(up);
        link.map_or(PathKind::None, |link| self.path_to(link.device)).as_str()
    }

    /// What a link to a device runs over.
    pub(crate) fn path_to(&self, device: DeviceId) -> PathKind {
        self.exchanges.kind(device)
    }

    /// The path to a device is reported. The link that runs over it, and what users are told, when there is one and they
    /// see a difference.
    pub(crate) fn path_changed(
        &mut self,
        device: DeviceId,
        report: Arc<PathReport>,
        (unix_ms, relay): (u64, &str),
    ) -> Option<(LinkId, PathView)> {
        let changed = self.exchanges.reported(device, report, unix_ms);
        let link = self.up(device).filter(|_| changed)?;
        let known = self.exchanges.of(device)?;
        Some((link, short(&known.address, device, known.path.as_ref()?, relay)))
    }

    /// How the devices of an account are reached, or were lately.
    pub(crate) fn paths(&self, address: &Address, relay: &str) -> Vec<PathView> {
        let view = |(device, path): (DeviceId, &KnownPath)| {
            let mut view = short(address, device, path, relay);
            view.log = log(&path.report);
            view
        };
        self.exchanges.with(address).map(view).collect()
    }
}

/// A path without its log.
fn short(address: &Address, device: DeviceId, path: &KnownPath, relay: &str) -> PathView {
    let KnownPath { report, since_ms, helper } = path;
    let way = report.way.filter(|_| report.kind.is_direct());
    let relayed = matches!(report.kind, PathKind::Relayed | PathKind::Tunnelled);
    PathView {
        address: address.clone(),
        device,
        path: report.kind.as_str().to_owned(),
        relay: relayed.then(|| helper.as_ref().map_or_else(|| relay.to_owned(), ToString::to_string)),
        remote: way.map(|way| way.to.to_string()),
        since: rfc3339(*since_ms),
        rtt_us: report.rtt.map(|rtt| u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX)),
        loss_ppm: None,
        mtu: None,
        why_not_direct: report.why_not_direct.map(|why| why.to_string()),
        checks: report.sent,
        log: Vec::new(),
    }
}

fn log(report: &PathReport) -> Vec<PathNote> {
    let first = report.notes.first().map_or_else(Default::default, |(at, _)| *at);
    let note = |(at, note): &(std::time::Duration, _)| PathNote {
        after_ms: u64::try_from(at.saturating_sub(first).as_millis()).unwrap_or(u64::MAX),
        text: ToString::to_string(note),
    };
    report.notes.iter().map(note).collect()
}
