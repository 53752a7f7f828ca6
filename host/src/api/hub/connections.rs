//! Connections over server-sent events, by the ids their clients negotiated: such a client says what it has to say in requests of
//! their own. As many as there are places for connections of users; each holds a few messages, no more.

use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::conversation::{Hearing, Words};
use crate::api::error::{ApiError, ProblemCode};
use crate::job::UserName;
use crate::store::TenantId;

/// Messages that wait to be heard.
const WAITING_MAX: usize = 16;

/// Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(in crate::api) struct Connections(Arc<Mutex<FxHashMap<Box<str>, Connection>>>);

#[derive(Debug)]
struct Connection {
    whose: (TenantId, UserName),
    mouth: mpsc::Sender<String>,
}

/// One of them; gone when dropped.
#[derive(Debug)]
pub(super) struct Connected {
    connections: Connections,
    id: Box<str>,
    ear: mpsc::Receiver<String>,
}

impl Connections {
    /// Opens one under an id that nobody else's connection has.
    pub(super) fn open(&self, id: &str, whose: (TenantId, UserName)) -> Result<Connected, ApiError> {
        let (mouth, ear) = mpsc::channel(WAITING_MAX);
        let mut open = self.0.lock();
        if open.contains_key(id) {
            return Err(ApiError::new(
                ProblemCode::ConnectionTaken,
                "a connection with this id is open; negotiate again",
            ));
        }
        let id: Box<str> = id.into();
        open.insert(id.clone(), Connection { whose, mouth });
        drop(open);
        Ok(Connected { connections: self.clone(), id, ear })
    }

    /// Hands over what its client says.
    pub(super) fn say(&self, id: &str, whose: &(TenantId, UserName), text: String) -> Result<(), ApiError> {
        let open = self.0.lock();
        // Another's is as if it did not exist.
        let connection = open.get(id).filter(|connection| connection.whose == *whose);
        let gone =
            || ApiError::new(ProblemCode::ConnectionNotFound, "no connection with this id is open; connect again");
        connection.ok_or_else(gone)?.mouth.try_send(text).map_err(|error| match error {
            TrySendError::Closed(_) => gone(),
            TrySendError::Full(_) => {
                ApiError::new(ProblemCode::Busy, "messages of this connection wait to be heard; send fewer at once")
            }
        })
    }
}

impl Hearing for Connected {
    async fn hear(&mut self) -> Words {
        self.ear.recv().await.map_or(Words::Gone, Words::Text)
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.connections.0.lock().remove(&self.id);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_hears_its_owner_alone_and_not_too_much() {
        let connections = Connections::default();
        let whose = |tenant, user: &str| (TenantId(tenant), user.parse::<UserName>().unwrap());
        let ann = whose(1, "ann");
        let mut connected = connections.open("a", ann.clone()).unwrap();
        let say = |whose: &_| connections.say("a", whose, "x".to_owned()).map_err(|error| error.code());
        assert_eq!(connections.open("a", ann.clone()).unwrap_err().code(), ProblemCode::ConnectionTaken);
        for other in [whose(1, "bob"), whose(2, "ann")] {
            assert_eq!(say(&other), Err(ProblemCode::ConnectionNotFound));
        }
        for _ in 0..WAITING_MAX {
            assert_eq!(say(&ann), Ok(()));
        }
        assert_eq!(say(&ann), Err(ProblemCode::Busy));
        assert_eq!(connected.hear().await, Words::Text("x".to_owned()));
        assert_eq!(say(&ann), Ok(()));
        drop(connected);
        assert_eq!(say(&ann), Err(ProblemCode::ConnectionNotFound));
        connections.open("a", ann).unwrap();
    }
}
