//! Allocates until it is refused; Rust then aborts: `memory_exceeded`.

const PIECE_BYTES: usize = 1 << 20;

fn main() {
    let mut pieces = Vec::new();
    loop {
        pieces.push(vec![1u8; PIECE_BYTES]);
        std::hint::black_box(&pieces);
    }
}
