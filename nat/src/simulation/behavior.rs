//! What a NAT does, in the words of RFC 4787.

use std::time::Duration;

/// What a mapping or a filter depends on (RFC 4787 §4.1, §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependence {
    /// On nothing outside.
    EndpointIndependent,
    /// On the address outside.
    Address,
    /// On the address and the port outside.
    AddressAndPort,
}

/// How the port outside is chosen (RFC 4787 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ports {
    /// The one inside, if it is free, else any.
    Preserved,
    /// The last one and so many more, for everybody inside.
    Sequential {
        /// Ports between one allocation and the next.
        step: u16,
    },
    /// Any.
    Random,
    /// Any in one block.
    Block {
        /// Ports in the block.
        ports: u16,
    },
}

/// What a NAT or a firewall does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behavior {
    /// When another destination gets another port.
    pub mapping: Dependence,
    /// Who may send back.
    pub filtering: Dependence,
    /// Which port the outside sees.
    pub ports: Ports,
    /// Whether hosts inside reach each other by their addresses outside (RFC 4787 §6).
    pub hairpin: bool,
    /// After how much silence a mapping and a permission end (RFC 4787 §4.3).
    pub lifetime: Duration,
    /// Whether UDP is dropped.
    pub blocks_udp: bool,
    /// Whether a packet from outside that nobody asked for takes the place of the flow that is about to start, which then
    /// gets another port: Linux' connection tracking behind a router that answers on its outer side.
    pub poisonable: bool,
    /// Whether hosts inside are kept from each other.
    pub isolates: bool,
    /// Most mappings at one time; no more are made.
    pub mappings_max: usize,
}

impl Behavior {
    /// The most common NAT of homes: endpoint-independent mapping, address-and-port-dependent filtering, ports preserved.
    #[must_use]
    pub const fn port_restricted() -> Self {
        Self {
            mapping: Dependence::EndpointIndependent,
            filtering: Dependence::AddressAndPort,
            ports: Ports::Preserved,
            hairpin: false,
            lifetime: Duration::from_secs(120),
            blocks_udp: false,
            poisonable: false,
            isolates: false,
            mappings_max: 65_000,
        }
    }

    /// Endpoint-independent in everything.
    #[must_use]
    pub const fn full_cone() -> Self {
        Self { filtering: Dependence::EndpointIndependent, hairpin: true, ..Self::port_restricted() }
    }

    /// Whoever was sent to may send back, from any port.
    #[must_use]
    pub const fn address_restricted() -> Self {
        Self { filtering: Dependence::Address, ..Self::port_restricted() }
    }

    /// Another port for each destination, as `ports` says.
    #[must_use]
    pub const fn symmetric(ports: Ports) -> Self {
        Self { mapping: Dependence::AddressAndPort, ports, ..Self::port_restricted() }
    }
}
