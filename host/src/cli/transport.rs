//! A connection that gets to see the host's answer also when the host stopped reading in the middle of a request: it may
//! have said why.

use ureq::Error;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

/// The end of a chain of connectors.
#[derive(Debug)]
pub(super) struct AnswerSeeker;

/// What a connection is made into.
#[derive(Debug)]
pub(super) struct AnswerSeeking<T> {
    inner: T,
    /// The host takes no more: the rest of the request goes nowhere.
    is_deaf: bool,
    /// How that was noticed. It is what happened, unless there is an answer.
    noticed: Option<Error>,
}

impl<T: Transport> Connector<T> for AnswerSeeker {
    type Out = AnswerSeeking<T>;

    fn connect(&self, _: &ConnectionDetails, chained: Option<T>) -> Result<Option<Self::Out>, Error> {
        Ok(chained.map(|inner| AnswerSeeking { inner, is_deaf: false, noticed: None }))
    }
}

impl<T: Transport> Transport for AnswerSeeking<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        if self.is_deaf {
            return Ok(());
        }
        match self.inner.transmit_output(amount, timeout) {
            Err(error @ Error::Io(_)) => {
                (self.is_deaf, self.noticed) = (true, Some(error));
                Ok(())
            }
            sent => sent,
        }
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        match (self.inner.await_input(timeout), self.noticed.take()) {
            // Not a word.
            (Ok(false) | Err(Error::Io(_)), Some(noticed)) => Err(noticed),
            (received, _) => received,
        }
    }

    fn is_open(&mut self) -> bool {
        !self.is_deaf && self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}
