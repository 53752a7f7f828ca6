//! Decoding, shrinking and encoding. Knows nothing of jobs; every image it refuses is refused for good.

use std::fmt;
use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::imageops::overlay;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Rgba, RgbaImage};

use crate::Format;

/// Most pixels an image may have: four bytes each, twice while it is turned upright, below the kind's memory limit.
const PIXELS_MAX: u64 = 24_000_000;
/// 1–100: small files without visible blocks.
const JPEG_QUALITY: u8 = 82;

/// Why an image was refused.
#[derive(Debug)]
pub(crate) enum PictureError {
    /// Neither PNG nor JPEG.
    UnknownFormat,
    /// The file is damaged, or the image cannot be written.
    Broken(ImageError),
    /// More pixels than fit into memory.
    TooLarge { width: u32, height: u32 },
}

impl fmt::Display for PictureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PictureError::UnknownFormat => f.write_str("`image` is neither a PNG nor a JPEG file"),
            PictureError::Broken(error) => write!(f, "`image` cannot be read: {error}"),
            PictureError::TooLarge { width, height } => {
                write!(f, "`image` has {width}×{height} pixels; at most {PIXELS_MAX} in all are read")
            }
        }
    }
}

impl From<ImageError> for PictureError {
    fn from(error: ImageError) -> Self {
        PictureError::Broken(error)
    }
}

/// The image, turned upright as its EXIF orientation says, and what it was encoded as.
pub(crate) fn decode(file: &[u8]) -> Result<(DynamicImage, Format), PictureError> {
    let reader = ImageReader::new(Cursor::new(file)).with_guessed_format().map_err(ImageError::IoError)?;
    let format = match reader.format() {
        Some(ImageFormat::Png) => Format::Png,
        Some(ImageFormat::Jpeg) => Format::Jpeg,
        _ => return Err(PictureError::UnknownFormat),
    };
    let mut decoder = reader.into_decoder()?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > PIXELS_MAX {
        return Err(PictureError::TooLarge { width, height });
    }
    let orientation = decoder.orientation()?;
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation);
    Ok((image, format))
}

/// The image scaled down into the box, never up.
pub(crate) fn shrink(image: &DynamicImage, max_width: u32, max_height: u32) -> DynamicImage {
    let (max_width, max_height) = (max_width.max(1), max_height.max(1));
    if image.width() <= max_width && image.height() <= max_height {
        return image.clone();
    }
    image.thumbnail(max_width, max_height)
}

/// The image as a file.
pub(crate) fn encode(image: &DynamicImage, format: Format) -> Result<Vec<u8>, PictureError> {
    let mut file = Cursor::new(Vec::new());
    match format {
        Format::Png => image.write_to(&mut file, ImageFormat::Png)?,
        Format::Jpeg => {
            on_white(image).to_rgb8().write_with_encoder(JpegEncoder::new_with_quality(&mut file, JPEG_QUALITY))?;
        }
    }
    Ok(file.into_inner())
}

/// JPEG has no transparency.
fn on_white(image: &DynamicImage) -> DynamicImage {
    if !image.color().has_alpha() {
        return image.clone();
    }
    let mut white = RgbaImage::from_pixel(image.width(), image.height(), Rgba([255; 4]));
    overlay(&mut white, &image.to_rgba8(), 0, 0);
    white.into()
}
