//! Where `SQLite` has its memory from: from where it always had it, asked for within bounds (`bounds.rs`).

#![allow(unsafe_code)] // What `SQLite` calls are functions of C.

use std::ffi::{c_int, c_void};
use std::sync::OnceLock;

use rusqlite::ffi;

use super::bounds;

type Allocate = unsafe extern "C" fn(c_int) -> *mut c_void;
type Free = unsafe extern "C" fn(*mut c_void);
type Resize = unsafe extern "C" fn(*mut c_void, c_int) -> *mut c_void;
type Size = unsafe extern "C" fn(*mut c_void) -> c_int;

/// `SQLite`'s own.
struct Own {
    allocate: Allocate,
    free: Free,
    resize: Resize,
    size: Size,
}

static OWN: OnceLock<Own> = OnceLock::new();

/// Has every allocation ask. To be called before anything else of `SQLite`: later it takes no other memory any more. Whether it does.
pub(in crate::store) fn is_bounded() -> bool {
    static IS_BOUNDED: OnceLock<bool> = OnceLock::new();
    *IS_BOUNDED.get_or_init(install)
}

fn install() -> bool {
    let mut methods = ffi::sqlite3_mem_methods {
        xMalloc: None,
        xFree: None,
        xRealloc: None,
        xSize: None,
        xRoundup: None,
        xInit: None,
        xShutdown: None,
        pAppData: std::ptr::null_mut(),
    };
    // SAFETY: the option takes a pointer to such a struct, and fills it.
    let asked = unsafe { ffi::sqlite3_config(ffi::SQLITE_CONFIG_GETMALLOC, &raw mut methods) };
    let (Some(allocate), Some(free), Some(resize), Some(size)) =
        (methods.xMalloc, methods.xFree, methods.xRealloc, methods.xSize)
    else {
        return false;
    };
    if asked != ffi::SQLITE_OK || OWN.set(Own { allocate, free, resize, size }).is_err() {
        return false;
    }
    methods.xMalloc = Some(take);
    methods.xFree = Some(give_back);
    methods.xRealloc = Some(take_other);
    // SAFETY: the option takes a pointer to such a struct, and copies it. The functions in it are there as long as the program.
    unsafe { ffi::sqlite3_config(ffi::SQLITE_CONFIG_MALLOC, &raw const methods) == ffi::SQLITE_OK }
}

unsafe extern "C" fn take(bytes: c_int) -> *mut c_void {
    let Some(own) = OWN.get().filter(|_| bounds::may_take(i64::from(bytes))) else { return std::ptr::null_mut() };
    // SAFETY: called as `SQLite` would have called it.
    let taken = unsafe { (own.allocate)(bytes) };
    if !taken.is_null() {
        // SAFETY: it was allocated there a moment ago.
        bounds::note(i64::from(unsafe { (own.size)(taken) }));
    }
    taken
}

unsafe extern "C" fn give_back(taken: *mut c_void) {
    let Some(own) = OWN.get().filter(|_| !taken.is_null()) else { return };
    // SAFETY: `SQLite` gives back what it was given by these functions, once.
    unsafe {
        bounds::note(-i64::from((own.size)(taken)));
        (own.free)(taken);
    }
}

unsafe extern "C" fn take_other(taken: *mut c_void, bytes: c_int) -> *mut c_void {
    let Some(own) = OWN.get() else { return std::ptr::null_mut() };
    // SAFETY: `SQLite` has it from these functions; it never resizes nothing.
    let before = i64::from(unsafe { (own.size)(taken) });
    if !bounds::may_take((i64::from(bytes) - before).max(0)) {
        return std::ptr::null_mut();
    }
    // SAFETY: called as `SQLite` would have called it.
    let other = unsafe { (own.resize)(taken, bytes) };
    if !other.is_null() {
        // SAFETY: it was allocated there a moment ago.
        bounds::note(i64::from(unsafe { (own.size)(other) }) - before);
    }
    other
}
