//! Makes thumbnails: a PNG or JPEG in base64 in, a smaller one out. Owns the kind's types and the failures;
//! the picture itself is `picture`'s work.

mod picture;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use stoker_sdk::{Context, Failure, JsonSchema, handler};

/// An image and the box its thumbnail must fit into.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Thumbnail {
    /// A PNG or JPEG file in base64.
    pub image: String,
    /// Widest the thumbnail may be, in pixels.
    #[serde(default = "side_default")]
    #[schemars(range(min = 1, max = 4096))]
    pub max_width: u32,
    /// Highest the thumbnail may be, in pixels.
    #[serde(default = "side_default")]
    #[schemars(range(min = 1, max = 4096))]
    pub max_height: u32,
    /// What the thumbnail is encoded as; the format of the original when left out.
    #[serde(default)]
    pub format: Option<Format>,
}

fn side_default() -> u32 {
    256
}

/// A format the job reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Lossless, with transparency.
    Png,
    /// Smaller; transparency becomes white.
    Jpeg,
}

/// The thumbnail.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Thumbnailed {
    /// The file in base64.
    pub image: String,
    /// What it is encoded as.
    pub format: Format,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// What the original was encoded as.
    pub original_format: Format,
    /// Pixels of the original, turned upright.
    pub original_width: u32,
    /// Pixels of the original, turned upright.
    pub original_height: u32,
}

/// Shrinks an image to fit into a box, keeping its proportions. Small images stay as they are.
// A photo of 24 million pixels that must be turned upright takes 14 of the 20 billion.
#[handler(kind = "thumbnail", timeout = "60s", max_attempts = 3, memory = "256MiB", fuel = 20_000_000_000)]
pub fn thumbnail(context: &Context, input: Thumbnail) -> Result<Thumbnailed, Failure> {
    let file =
        BASE64.decode(&input.image).map_err(|error| Failure::fatal(format_args!("`image` is not base64: {error}")))?;
    context.progress(0, 2, Some("decoding"));
    // The same bytes fail the same way every time.
    let (original, original_format) = picture::decode(&file).map_err(Failure::fatal)?;

    context.progress(1, 2, Some("shrinking"));
    let small = picture::shrink(&original, input.max_width, input.max_height);
    let format = input.format.unwrap_or(original_format);
    let encoded = picture::encode(&small, format).map_err(Failure::fatal)?;
    stoker_sdk::info!(
        "{}×{} {original_format:?}, {} bytes → {}×{} {format:?}, {} bytes",
        original.width(),
        original.height(),
        file.len(),
        small.width(),
        small.height(),
        encoded.len(),
    );
    context.progress(2, 2, None);
    Ok(Thumbnailed {
        image: BASE64.encode(encoded),
        format,
        width: small.width(),
        height: small.height(),
        original_format,
        original_width: original.width(),
        original_height: original.height(),
    })
}

stoker_sdk::module!(thumbnail);

#[cfg(test)]
mod tests;
