//! `wasi:sockets`, closed: linked, so that guests which import it start; no socket is ever made and no name looked up, and who
//! tries is noted. What goes out goes by `wasi:http`.

use wasmtime::component::{HasData, Linker, Resource};
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::{self, ResolveAddressStream};
use wasmtime_wasi::p2::bindings::sockets::network::{self, ErrorCode, IpAddress, IpAddressFamily, Network};
use wasmtime_wasi::p2::bindings::sockets::{tcp_create_socket, udp_create_socket};
use wasmtime_wasi::p2::{DynPollable, SocketError, SocketResult, TcpSocket, UdpSocket};
use wasmtime_wasi::sockets::{WasiSocketsCtxView, WasiSocketsView};

use crate::sandbox::state::AttemptState;

/// How it is named where it was refused.
const CAPABILITY: &str = "sockets";

/// Over what wasmtime-wasi linked: the three ways by which a guest gets hold of anything.
pub(in crate::sandbox) fn link(linker: &mut Linker<AttemptState>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    tcp_create_socket::add_to_linker::<AttemptState, Closed>(linker, closed)?;
    udp_create_socket::add_to_linker::<AttemptState, Closed>(linker, closed)?;
    ip_name_lookup::add_to_linker::<AttemptState, Closed>(linker, closed)?;
    linker.allow_shadowing(false);
    Ok(())
}

fn closed(state: &mut AttemptState) -> ClosedSockets<'_> {
    ClosedSockets(state)
}

struct Closed;

impl HasData for Closed {
    type Data<'a> = ClosedSockets<'a>;
}

struct ClosedSockets<'a>(&'a mut AttemptState);

impl ClosedSockets<'_> {
    fn refuse<T>(&mut self) -> SocketResult<T> {
        self.0.denied(CAPABILITY);
        Err(ErrorCode::AccessDenied.into())
    }

    fn lookups(&mut self) -> WasiSocketsCtxView<'_> {
        self.0.sockets()
    }
}

impl network::HostNetwork for ClosedSockets<'_> {
    fn drop(&mut self, network: Resource<Network>) -> wasmtime::Result<()> {
        network::HostNetwork::drop(&mut self.lookups(), network)
    }
}

impl network::Host for ClosedSockets<'_> {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        self.lookups().convert_error_code(error)
    }

    fn network_error_code(&mut self, error: Resource<wasmtime::Error>) -> wasmtime::Result<Option<ErrorCode>> {
        self.lookups().network_error_code(error)
    }
}

impl tcp_create_socket::Host for ClosedSockets<'_> {
    fn create_tcp_socket(&mut self, _family: IpAddressFamily) -> SocketResult<Resource<TcpSocket>> {
        // Counted as every call of WASI is.
        let _counted = self.lookups();
        self.refuse()
    }
}

impl udp_create_socket::Host for ClosedSockets<'_> {
    async fn create_udp_socket(&mut self, _family: IpAddressFamily) -> SocketResult<Resource<UdpSocket>> {
        let _counted = self.lookups();
        self.refuse()
    }
}

impl ip_name_lookup::Host for ClosedSockets<'_> {
    fn resolve_addresses(
        &mut self,
        _network: Resource<Network>,
        _name: String,
    ) -> SocketResult<Resource<ResolveAddressStream>> {
        let _counted = self.lookups();
        self.refuse()
    }
}

/// Nobody has one; each answers as if it were no resource.
impl ip_name_lookup::HostResolveAddressStream for ClosedSockets<'_> {
    fn resolve_next_address(&mut self, stream: Resource<ResolveAddressStream>) -> SocketResult<Option<IpAddress>> {
        ip_name_lookup::HostResolveAddressStream::resolve_next_address(&mut self.lookups(), stream)
    }

    fn subscribe(&mut self, stream: Resource<ResolveAddressStream>) -> wasmtime::Result<Resource<DynPollable>> {
        ip_name_lookup::HostResolveAddressStream::subscribe(&mut self.lookups(), stream)
    }

    fn drop(&mut self, stream: Resource<ResolveAddressStream>) -> wasmtime::Result<()> {
        ip_name_lookup::HostResolveAddressStream::drop(&mut self.lookups(), stream)
    }
}
