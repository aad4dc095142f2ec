//! The messages of a TURN client, for tests: any request, with any address in it, and what an answer says.

use std::net::SocketAddr;

use turn_types::attribute::{ChannelNumber, Data, Lifetime, RequestedTransport, XorPeerAddress, XorRelayedAddress};
use turn_types::message::{ALLOCATE, CHANNEL_BIND, CREATE_PERMISSION, REFRESH, SEND};
use turn_types::stun::attribute::{
    AttributeStaticType as _, AttributeWrite, ErrorCode, MessageIntegrity, Nonce, Realm, Username, XorMappedAddress,
};
use turn_types::stun::message::{
    BINDING, IntegrityAlgorithm, LongTermKeyCredentials, Message, MessageClass, MessageType, MessageWriteVec, Method,
    TransactionId,
};
use turn_types::stun::prelude::{MessageWrite as _, MessageWriteExt as _};

/// With what a client proves who it is.
#[derive(Clone)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) nonce: String,
}

/// What a request asks for; peers are encoded with its transaction.
#[derive(Clone)]
pub(crate) enum Ask {
    Allocate,
    /// With these fields besides the transport, or instead of it.
    AllocateWith(Vec<(u16, Vec<u8>)>),
    Refresh(Option<u32>),
    Permission(Vec<SocketAddr>),
    Bind(u16, SocketAddr),
    /// A permission for what these bytes of XOR-PEER-ADDRESS say.
    RawPermission(Vec<u8>),
}

pub(crate) fn binding() -> Vec<u8> {
    Message::builder_request(BINDING, MessageWriteVec::new()).finish()
}

/// A request, signed if there is somebody to sign for.
pub(crate) fn request(ask: &Ask, login: Option<&Login>) -> Vec<u8> {
    request_as(TransactionId::generate(), ask, login)
}

pub(crate) fn request_as(transaction: TransactionId, ask: &Ask, login: Option<&Login>) -> Vec<u8> {
    let peer = |address: &SocketAddr| Box::new(XorPeerAddress::new(*address, transaction)) as Box<dyn AttributeWrite>;
    let transport = || Box::new(RequestedTransport::new(RequestedTransport::UDP)) as Box<dyn AttributeWrite>;
    let (method, attributes): (Method, Vec<Box<dyn AttributeWrite>>) = match ask {
        Ask::Allocate => (ALLOCATE, vec![transport()]),
        Ask::AllocateWith(fields) => (ALLOCATE, fields.iter().map(|(kind, value)| raw(*kind, value)).collect()),
        Ask::Refresh(None) => (REFRESH, vec![]),
        Ask::Refresh(Some(seconds)) => (REFRESH, vec![Box::new(Lifetime::new(*seconds))]),
        Ask::Permission(peers) => (CREATE_PERMISSION, peers.iter().map(peer).collect()),
        Ask::RawPermission(value) => (CREATE_PERMISSION, vec![raw(XorPeerAddress::TYPE.value(), value)]),
        Ask::Bind(number, address) => (CHANNEL_BIND, vec![Box::new(ChannelNumber::new(*number)), peer(address)]),
    };
    let kind = MessageType::from_class_method(MessageClass::Request, method);
    let mut message = Message::builder(kind, transaction, MessageWriteVec::new());
    for attribute in &attributes {
        message.add_attribute(attribute.as_ref()).unwrap();
    }
    if let Some(Login { user, password, nonce }) = login {
        message.add_attribute(&Username::new(user).unwrap()).unwrap();
        message.add_attribute(&Realm::new("eyeline").unwrap()).unwrap();
        message.add_attribute(&Nonce::new(nonce).unwrap()).unwrap();
        let credentials = LongTermKeyCredentials::new(user.clone(), password.clone(), "eyeline".to_owned());
        message.add_message_integrity(&credentials.into(), IntegrityAlgorithm::Sha1).unwrap();
    }
    message.finish()
}

fn raw(kind: u16, value: &[u8]) -> Box<dyn AttributeWrite> {
    use turn_types::stun::attribute::RawAttribute;
    Box::new(RawAttribute::new(kind.into(), value).into_owned())
}

pub(crate) fn send_indication(peer: SocketAddr, data: &[u8]) -> Vec<u8> {
    let mut message = Message::builder_indication(SEND, MessageWriteVec::new());
    let transaction = message.transaction_id();
    message.add_attribute(&XorPeerAddress::new(peer, transaction)).unwrap();
    message.add_attribute(&Data::new(data)).unwrap();
    message.finish()
}

pub(crate) fn channel_data(number: u16, data: &[u8], padded: bool) -> Vec<u8> {
    let len = u16::try_from(data.len()).unwrap();
    let mut message = [&number.to_be_bytes()[..], &len.to_be_bytes(), data].concat();
    if padded {
        message.resize(message.len().next_multiple_of(4), 0);
    }
    message
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    Success(Success),
    Refused {
        code: u16,
        nonce: Option<String>,
        realm: Option<String>,
    },
    /// A data indication.
    Indication {
        from: SocketAddr,
        data: Vec<u8>,
    },
    Channel {
        number: u16,
        data: Vec<u8>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Success {
    pub(crate) relayed: Option<SocketAddr>,
    pub(crate) mapped: Option<SocketAddr>,
    pub(crate) lifetime_s: Option<u32>,
    pub(crate) signed: bool,
}

pub(crate) fn read(bytes: &[u8]) -> Said {
    if bytes[0] >> 6 == 1 {
        let len = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
        return Said::Channel { number: u16::from_be_bytes([bytes[0], bytes[1]]), data: bytes[4..4 + len].to_vec() };
    }
    let message = Message::from_bytes(bytes).unwrap();
    let transaction = message.transaction_id();
    match message.class() {
        MessageClass::Success => Said::Success(Success {
            relayed: message.attribute::<XorRelayedAddress>().ok().map(|it| it.addr(transaction)),
            mapped: message.attribute::<XorMappedAddress>().ok().map(|it| it.addr(transaction)),
            lifetime_s: message.attribute::<Lifetime>().ok().map(|it| it.seconds()),
            signed: message.has_attribute(MessageIntegrity::TYPE),
        }),
        MessageClass::Error => Said::Refused {
            code: message.attribute::<ErrorCode>().unwrap().code(),
            nonce: message.attribute::<Nonce>().ok().map(|it| it.nonce().to_owned()),
            realm: message.attribute::<Realm>().ok().map(|it| it.realm().to_owned()),
        },
        MessageClass::Indication => Said::Indication {
            from: message.attribute::<XorPeerAddress>().unwrap().addr(transaction),
            data: message.attribute::<Data<'_>>().unwrap().data().to_vec(),
        },
        MessageClass::Request => panic!("a server asks nothing"),
    }
}

impl Said {
    pub(crate) fn success(self) -> Success {
        match self {
            Self::Success(success) => success,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn code(&self) -> u16 {
        match self {
            Self::Refused { code, .. } => *code,
            other => panic!("{other:?}"),
        }
    }
}
