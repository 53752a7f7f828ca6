//! Temporary files of connections to tenants' databases (what a sort, a group or a union can't have in memory): the system's files,
//! whose bytes count within bounds (`bounds.rs`). Every other file is opened as `SQLite` always does.

#![allow(unsafe_code)] // What `SQLite` calls are functions of C.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::{Arc, OnceLock};

use rusqlite::ffi::{self, sqlite3_file, sqlite3_io_methods, sqlite3_vfs};

use super::bounds::{self, Bounds};

/// How `SQLite` knows it.
pub(super) const NAME: &CStr = c"stoker-tenants";

/// What is opened without a name of somebody's, or beside such.
const TEMPORARY: c_int = ffi::SQLITE_OPEN_TEMP_DB
    | ffi::SQLITE_OPEN_TRANSIENT_DB
    | ffi::SQLITE_OPEN_TEMP_JOURNAL
    | ffi::SQLITE_OPEN_SUBJOURNAL;

/// A file that counts. The system's own lies behind it, [`BEFORE_OWN`] bytes on.
#[repr(C)]
struct Counted {
    base: sqlite3_file,
    /// From an [`Arc`]; null where nothing is counted.
    bounds: *const Bounds,
    bytes: u64,
}

/// Whole words, so that what follows is aligned.
const BEFORE_OWN: usize = size_of::<Counted>().next_multiple_of(16);

/// The system's own way to files: there as long as the program.
struct Own(*mut sqlite3_vfs);

// SAFETY: it is registered once, never changed after, and made to be used by all threads.
unsafe impl Send for Own {}
// SAFETY: see above.
unsafe impl Sync for Own {}

static OWN: OnceLock<Own> = OnceLock::new();

static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 1,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: None,
    xShmLock: None,
    xShmBarrier: None,
    xShmUnmap: None,
    xFetch: None,
    xUnfetch: None,
};

/// Makes it known to `SQLite`. Whether it is.
pub(super) fn is_known() -> bool {
    static IS_KNOWN: OnceLock<bool> = OnceLock::new();
    *IS_KNOWN.get_or_init(|| {
        // SAFETY: asks for the default one, which is there as long as the program.
        let own = unsafe { ffi::sqlite3_vfs_find(std::ptr::null()) };
        if own.is_null() || OWN.set(Own(own)).is_err() {
            return false;
        }
        // SAFETY: it is not null, and what it points to is such a struct.
        let mut counting = unsafe { *own };
        let Some(bytes) = c_int::try_from(BEFORE_OWN).ok().and_then(|more| counting.szOsFile.checked_add(more)) else {
            return false;
        };
        counting.szOsFile = bytes;
        counting.zName = NAME.as_ptr();
        counting.pNext = std::ptr::null_mut();
        counting.xOpen = Some(open);
        // SAFETY: it is never freed. What else it calls is the default one's, which looks at nothing that was changed here.
        unsafe { ffi::sqlite3_vfs_register(Box::into_raw(Box::new(counting)), 0) == ffi::SQLITE_OK }
    })
}

unsafe extern "C" fn open(
    _: *mut sqlite3_vfs,
    name: *const c_char,
    file: *mut sqlite3_file,
    flags: c_int,
    given: *mut c_int,
) -> c_int {
    let Some((Own(own), open)) = OWN.get().and_then(|own| {
        // SAFETY: it was looked at before it was kept.
        Some((own, unsafe { (*own.0).xOpen }?))
    }) else {
        return ffi::SQLITE_ERROR;
    };
    if flags & TEMPORARY == 0 {
        // SAFETY: `SQLite` called this with what the default one is called with, and with more room than it needs.
        return unsafe { open(*own, name, file, flags, given) };
    }
    // SAFETY: there is room for both, one behind the other, as `szOsFile` said.
    unsafe {
        let inner = inner(file);
        (*inner).pMethods = std::ptr::null();
        (*file).pMethods = std::ptr::null();
        let opened = open(*own, name, inner, flags, given);
        if opened != ffi::SQLITE_OK {
            if !(*inner).pMethods.is_null() {
                let _closed = of(inner, |methods| methods.xClose).map(|close| close(inner));
            }
            return opened;
        }
        let bounds = bounds::current().map_or(std::ptr::null(), Arc::into_raw);
        file.cast::<Counted>().write(Counted { base: sqlite3_file { pMethods: &raw const METHODS }, bounds, bytes: 0 });
        ffi::SQLITE_OK
    }
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    // SAFETY: opened above, and closed once.
    unsafe {
        let Counted { bounds, bytes, .. } = file.cast::<Counted>().read();
        if !bounds.is_null() {
            Arc::from_raw(bounds).give_temporary(bytes);
        }
        let inner = inner(file);
        of(inner, |methods| methods.xClose).map_or(ffi::SQLITE_OK, |close| close(inner))
    }
}

unsafe extern "C" fn write(file: *mut sqlite3_file, from: *const c_void, bytes: c_int, at: i64) -> c_int {
    // SAFETY: opened above; nobody else is at it.
    unsafe {
        let counted = &mut *file.cast::<Counted>();
        let end = u64::try_from(at.saturating_add(i64::from(bytes))).unwrap_or(0);
        let more = end.saturating_sub(counted.bytes);
        if more > 0 && !counted.bounds.is_null() && !(*counted.bounds).take_temporary(more) {
            return ffi::SQLITE_FULL;
        }
        counted.bytes += more;
        let inner = inner(file);
        of(inner, |methods| methods.xWrite).map_or(ffi::SQLITE_IOERR, |write| write(inner, from, bytes, at))
    }
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, bytes: i64) -> c_int {
    // SAFETY: opened above; nobody else is at it.
    unsafe {
        let inner = inner(file);
        let cut = of(inner, |methods| methods.xTruncate).map_or(ffi::SQLITE_IOERR, |truncate| truncate(inner, bytes));
        let counted = &mut *file.cast::<Counted>();
        let less = counted.bytes.saturating_sub(u64::try_from(bytes).unwrap_or(0));
        if cut == ffi::SQLITE_OK && !counted.bounds.is_null() {
            counted.bytes -= less;
            (*counted.bounds).give_temporary(less);
        }
        cut
    }
}

/// The system's own file behind one that counts.
///
/// # Safety
/// The file was opened above.
unsafe fn inner(file: *mut sqlite3_file) -> *mut sqlite3_file {
    // SAFETY: `SQLite` gave room for both; the distance keeps the alignment.
    unsafe { file.byte_add(BEFORE_OWN) }
}

/// What the system's own file does for a call; `None` where it does nothing.
///
/// # Safety
/// The file is open.
unsafe fn of<F>(file: *mut sqlite3_file, which: impl FnOnce(&sqlite3_io_methods) -> Option<F>) -> Option<F> {
    // SAFETY: an open file has methods, which are there as long as the program.
    unsafe { (*file).pMethods.as_ref() }.and_then(which)
}

/// Calls that are passed on as they are.
macro_rules! passed_on {
    ($($name:ident, $method:ident, ($($argument:ident: $type:ty),*), $else:expr;)*) => {$(
        unsafe extern "C" fn $name(file: *mut sqlite3_file $(, $argument: $type)*) -> c_int {
            // SAFETY: opened above, and called as `SQLite` would have called the system's own.
            unsafe {
                let inner = inner(file);
                of(inner, |methods| methods.$method).map_or($else, |call| call(inner $(, $argument)*))
            }
        }
    )*};
}

passed_on! {
    read, xRead, (to: *mut c_void, bytes: c_int, at: i64), ffi::SQLITE_IOERR;
    sync, xSync, (flags: c_int), ffi::SQLITE_OK;
    file_size, xFileSize, (bytes: *mut i64), ffi::SQLITE_IOERR;
    lock, xLock, (level: c_int), ffi::SQLITE_OK;
    unlock, xUnlock, (level: c_int), ffi::SQLITE_OK;
    check_reserved_lock, xCheckReservedLock, (is_reserved: *mut c_int), ffi::SQLITE_IOERR;
    file_control, xFileControl, (operation: c_int, argument: *mut c_void), ffi::SQLITE_NOTFOUND;
    sector_size, xSectorSize, (), 4_096;
    device_characteristics, xDeviceCharacteristics, (), 0;
}
