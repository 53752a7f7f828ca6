//! The handler called as a function, on a picture from a file and on pictures made here.

#![allow(clippy::unwrap_used)]

use super::*;
use image::{DynamicImage, ImageFormat, Rgba, RgbaImage};
use std::io::Cursor;

const LANDSCAPE: &[u8] = include_bytes!("../landscape.jpg");

fn run(file: &[u8], max_width: u32, max_height: u32, format: Option<Format>) -> Result<Thumbnailed, Failure> {
    let input = Thumbnail { image: BASE64.encode(file), max_width, max_height, format };
    thumbnail(&Context::for_test(), input)
}

fn fatal_message(result: Result<Thumbnailed, Failure>) -> String {
    match result {
        Err(Failure::Fatal { message }) => message,
        other => panic!("expected a fatal failure, got {other:?}"),
    }
}

fn png(image: RgbaImage) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    DynamicImage::from(image).write_to(&mut file, ImageFormat::Png).unwrap();
    file.into_inner()
}

#[test]
fn a_photo_fits_the_box_and_keeps_its_proportions() {
    let made = run(LANDSCAPE, 256, 256, None).unwrap();
    assert_eq!((made.original_width, made.original_height), (1200, 800));
    assert_eq!((made.width, made.height), (256, 171));
    assert_eq!((made.format, made.original_format), (Format::Jpeg, Format::Jpeg));
    let decoded = image::load_from_memory(&BASE64.decode(&made.image).unwrap()).unwrap();
    assert_eq!((decoded.width(), decoded.height()), (256, 171));
}

#[test]
fn the_thumbnail_looks_like_the_original() {
    let made = run(LANDSCAPE, 120, 80, Some(Format::Png)).unwrap();
    let small = image::load_from_memory(&BASE64.decode(&made.image).unwrap()).unwrap().to_rgb8();
    let original = image::load_from_memory(LANDSCAPE).unwrap().to_rgb8();
    // The sky at the top left: smooth, so shrinking changes it little.
    for (of_small, of_original) in small.get_pixel(5, 5).0.iter().zip(original.get_pixel(55, 55).0) {
        assert!(of_small.abs_diff(of_original) < 16, "{of_small} {of_original}");
    }
}

#[test]
fn small_images_are_not_blown_up() {
    let made = run(&png(RgbaImage::new(3, 2)), 256, 256, None).unwrap();
    assert_eq!((made.width, made.height, made.format), (3, 2, Format::Png));
}

#[test]
fn transparency_becomes_white_in_a_jpeg() {
    let made = run(&png(RgbaImage::from_pixel(8, 8, Rgba([0, 0, 0, 0]))), 8, 8, Some(Format::Jpeg)).unwrap();
    let decoded = image::load_from_memory(&BASE64.decode(&made.image).unwrap()).unwrap().to_rgb8();
    assert!(decoded.get_pixel(4, 4).0.iter().all(|channel| *channel > 250));
}

#[test]
fn what_is_no_image_fails_for_good_and_says_why() {
    assert!(fatal_message(run(b"GIF89a", 1, 1, None)).contains("neither a PNG nor a JPEG"));
    assert!(fatal_message(run(&LANDSCAPE[..300], 1, 1, None)).contains("cannot be read"));
    let input = Thumbnail { image: "not base64!".into(), max_width: 1, max_height: 1, format: None };
    assert!(fatal_message(thumbnail(&Context::for_test(), input)).contains("not base64"));
}

#[test]
fn an_image_that_would_not_fit_into_memory_is_refused_unread() {
    let mut bomb = png(RgbaImage::new(1, 1));
    // Width and height stand after the signature, the length and the name of the first chunk; its checksum follows.
    bomb[16..24].copy_from_slice(&[0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff]);
    let checksum = crc32(&bomb[12..29]).to_be_bytes();
    bomb[29..33].copy_from_slice(&checksum);
    assert!(fatal_message(run(&bomb, 1, 1, None)).contains("65535×65535 pixels"));
}

/// The checksum of PNG chunks.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    })
}
