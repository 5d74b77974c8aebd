//! Files that the system has in memory: opened and read only where nothing has to be waited for.
//!
//! The path is looked up in what the kernel remembers of directories (`openat2` with
//! `RESOLVE_CACHED`), the bytes are taken out of the page cache (`preadv2` with `RWF_NOWAIT`), so
//! both are done on whatever thread asks. A file system that lives in memory knows no other way, and
//! refuses to be asked. Paths stay below the folder (`RESOLVE_BENEATH`), whoever swaps links.
//!
//! Only for file systems that keep what they know on this machine: opening a file on another one
//! asks a server, which may hang ([`is_here`]). Says no where it has to wait, where a link is
//! absolute, where there is an error, and on systems that are not Linux: then [`super::file`] and a
//! thread that may wait do the same, and name the error.

#[cfg(target_os = "linux")]
pub(super) use linux::{is_here, open, read};

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::File;
    use std::io::IoSliceMut;
    use std::os::unix::fs::FileExt;
    use std::path::Path;

    use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};
    use rustix::io::{Errno, ReadWriteFlags};

    /// tmpfs and ramfs, as statfs(2) numbers them.
    const IN_MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58F6];
    /// ext2 to ext4, XFS, Btrfs, ZFS, F2FS.
    const ON_DISK: [u64; 5] = [0xEF53, 0x5846_5342, 0x9123_683E, 0x2FC1_2FC1, 0xF2F5_2010];

    /// Whether a folder is on a file system of this machine. May block.
    pub(in super::super) fn is_here(root: &Path) -> bool {
        let kind = rustix::fs::statfs(root).map(|stat| stat.f_type as u64);
        kind.is_ok_and(|kind| IN_MEMORY.contains(&kind) || ON_DISK.contains(&kind))
    }

    /// A regular file below `root`, with its size.
    pub(in super::super) fn open(root: &Path, path: &str) -> Option<(File, u64)> {
        let folder_flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(CWD, root, folder_flags, Mode::empty()).ok()?;
        // Opening a FIFO would wait for a writer.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        // What is mounted below may be another machine's.
        let resolve = ResolveFlags::BENEATH
            | ResolveFlags::NO_MAGICLINKS
            | ResolveFlags::NO_XDEV
            | ResolveFlags::CACHED;
        let file = rustix::fs::openat2(&folder, path, flags, Mode::empty(), resolve).ok()?;
        let stat = rustix::fs::fstat(&file).ok()?;
        let is_regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        let size = u64::try_from(stat.st_size).ok()?;
        is_regular.then(|| (File::from(file), size))
    }

    /// Fills `piece` from `start` on; false where that cannot be done now. `in_memory` is false at
    /// first, and says of the same file what was found out before.
    pub(in super::super) fn read(
        file: &File,
        piece: &mut [u8],
        start: u64,
        in_memory: &mut bool,
    ) -> bool {
        if *in_memory {
            return file.read_exact_at(piece, start).is_ok();
        }
        let mut done = 0;
        while let Some(rest) = piece.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let at = start.saturating_add(done as u64);
            let into = &mut [IoSliceMut::new(rest)];
            match rustix::io::preadv2(file, into, at, ReadWriteFlags::NOWAIT) {
                Ok(0) => return false,
                Ok(read) => done += read,
                Err(Errno::INTR) => {}
                Err(Errno::OPNOTSUPP) if is_in_memory(file) => {
                    *in_memory = true;
                    return file.read_exact_at(rest, at).is_ok();
                }
                Err(_) => return false,
            }
        }
        true
    }

    fn is_in_memory(file: &File) -> bool {
        let kind = rustix::fs::fstatfs(file).map(|stat| stat.f_type as u64);
        kind.is_ok_and(|kind| IN_MEMORY.contains(&kind))
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn is_here(_: &std::path::Path) -> bool {
    false
}

#[cfg(not(target_os = "linux"))]
pub(super) fn open(_: &std::path::Path, _: &str) -> Option<(std::fs::File, u64)> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(super) fn read(_: &std::fs::File, _: &mut [u8], _: u64, _: &mut bool) -> bool {
    false
}
