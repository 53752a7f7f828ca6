//! Tries to read a file and to reach the network, and prints what came of it; closed means both are refused.

fn main() {
    let file = std::fs::read_to_string("/etc/hostname").map_err(|error| error.to_string());
    let net = std::net::TcpStream::connect("127.0.0.1:7700").map_err(|error| error.to_string());
    println!("{}", serde_json::json!({ "file": file.is_ok(), "network": net.is_ok(), "why": [file.err(), net.err()] }));
}
