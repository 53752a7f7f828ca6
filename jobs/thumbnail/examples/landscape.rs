//! Paints `landscape.jpg`, the picture of the tests and of the demo: dusk over fractal mountains, with film grain.
//! `cargo run -p thumbnail --example landscape > jobs/thumbnail/landscape.jpg`

use std::io::{Cursor, Write};

use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};

const WIDTH: u32 = 1200;
const HEIGHT: u32 = 800;
/// Height of the horizon, base and ruggedness of each range of mountains, far to near, with its colour.
const RANGES: [(f64, f64, [f64; 3]); 4] = [
    (360.0, 150.0, [120.0, 110.0, 150.0]),
    (440.0, 120.0, [84.0, 82.0, 122.0]),
    (540.0, 110.0, [50.0, 56.0, 88.0]),
    (660.0, 90.0, [18.0, 26.0, 40.0]),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let picture = RgbImage::from_fn(WIDTH, HEIGHT, |x, y| Rgb(colour(f64::from(x), f64::from(y))));
    let mut file = Cursor::new(Vec::new());
    picture.write_with_encoder(JpegEncoder::new_with_quality(&mut file, 60))?;
    std::io::stdout().write_all(file.get_ref())?;
    Ok(())
}

fn colour(x: f64, y: f64) -> [u8; 3] {
    let mut colour = sky(x, y);
    for (number, (base, ruggedness, shade)) in (0u32..).zip(RANGES) {
        if y > base - ridge(x, number) * ruggedness {
            let haze = ((y - base) / 400.0).clamp(0.0, 0.4);
            colour = shade.map(|channel| channel + haze * 60.0);
        }
    }
    let grain = (noise(x * 7.0 + y * 131.0, 99) - 0.5) * 10.0;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clamped to a byte
    colour.map(|channel| (channel + grain).clamp(0.0, 255.0) as u8)
}

fn sky(x: f64, y: f64) -> [f64; 3] {
    let height = y / f64::from(HEIGHT);
    let sun = (1.0 - ((x - 820.0).hypot(y - 300.0) / 420.0)).max(0.0).powi(2);
    [90.0 + 190.0 * height + 90.0 * sun, 110.0 + 110.0 * height + 70.0 * sun, 170.0 - 10.0 * height + 10.0 * sun]
}

/// 0.0–1.0: noise summed over octaves, each half as strong and twice as fine.
fn ridge(x: f64, seed: u32) -> f64 {
    (0..7).map(|octave| smooth(x * f64::from(1 << octave) / 300.0, seed * 10 + octave) / f64::from(2 << octave)).sum()
}

fn smooth(x: f64, seed: u32) -> f64 {
    let (cell, offset) = (x.floor(), x.fract());
    let weight = offset * offset * (3.0 - 2.0 * offset);
    noise(cell, seed) * (1.0 - weight) + noise(cell + 1.0, seed) * weight
}

fn noise(x: f64, seed: u32) -> f64 {
    ((x * 12.9898 + f64::from(seed) * 78.233).sin() * 43_758.545_3).fract().abs()
}
