//! A node as libp2p names it.

use hobnob_wire::overlay::Node;
use libp2p::PeerId;
use libp2p::identity::{PublicKey, ed25519};

/// What comes before the key in the identifier of an Ed25519 peer: an identity multihash of 36 bytes around a protobuf of
/// key type 1 with 32 bytes (libp2p specification of peer ids).
const PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/// The node behind an identifier; `None` when it is no Ed25519 key, which ours always are.
pub(super) fn node(peer: &PeerId) -> Option<Node> {
    let bytes = peer.to_bytes();
    let key = bytes.strip_prefix(&PREFIX)?;
    Some(Node::new(key.try_into().ok()?))
}

/// The identifier of a node; `None` when its bytes are no point of the curve.
pub(super) fn peer(node: &Node) -> Option<PeerId> {
    let key = ed25519::PublicKey::try_from_bytes(node.as_bytes()).ok()?;
    Some(PublicKey::from(key).to_peer_id())
}

#[cfg(test)]
mod tests {
    use libp2p::identity::Keypair;

    use super::*;

    #[test]
    fn a_node_and_its_identifier_name_each_other() {
        let id = Keypair::generate_ed25519().public().to_peer_id();
        assert_eq!(node(&id).and_then(|node| peer(&node)), Some(id));
        assert_eq!(node(&PeerId::random()), None);
    }
}
