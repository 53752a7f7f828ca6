//! `stoker:handler/secrets`: what the operator granted to the kind. What is given from here is taken out of what the guest says.

use wasmtime::StoreContextMut;
use wasmtime::component::Linker;

use crate::job::SecretName;
use crate::job::grants::capability_of_secret;
use crate::sandbox::bindings::stoker::handler::secrets::Error;
use crate::sandbox::model::Secrets;
use crate::sandbox::redaction::GIVEN_BYTES_MAX;
use crate::sandbox::state::AttemptState;

pub(in crate::sandbox) fn link(linker: &mut Linker<AttemptState>) -> wasmtime::Result<()> {
    let mut interface = linker.instance("stoker:handler/secrets@1.3.0")?;
    interface.func_wrap_async("get", |mut store: StoreContextMut<'_, AttemptState>, (name,): (String,)| {
        Box::new(async move {
            let (secrets, name) = match granted(store.data_mut(), &name)? {
                Ok(granted) => granted,
                Err(error) => return Ok((Err(error),)),
            };
            let answer: Result<Vec<u8>, Error> = match secrets.read(name.clone()).await {
                Err(sentence) => Err(Error::Unavailable(sentence)),
                Ok(None) => Err(Error::NotFound),
                // Before the guest can say it.
                Ok(Some(value)) if store.data_mut().give_secret(name.as_str(), &value) => Ok(value.reveal().to_vec()),
                Ok(Some(_)) => Err(Error::Unavailable(format!(
                    "one attempt is given at most {} KiB of secrets",
                    GIVEN_BYTES_MAX >> 10
                ))),
            };
            Ok((answer,))
        })
    })
}

type Granted = (std::sync::Arc<dyn Secrets>, SecretName);

fn granted(state: &mut AttemptState, name: &str) -> wasmtime::Result<Result<Granted, Error>> {
    state.count_host_call()?;
    let granted = state.grants.secrets.iter().find(|granted| granted.as_str() == name).cloned();
    match (granted, state.secrets.clone()) {
        (Some(name), Some(secrets)) => Ok(Ok((secrets, name))),
        (Some(_), None) => Ok(Err(Error::NotFound)),
        (None, _) => {
            state.denied(&capability_of_secret(name));
            Ok(Err(Error::NotGranted))
        }
    }
}
