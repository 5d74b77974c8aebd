//! Files that the system has in memory: opened and read only where nothing has to be waited for.
//!
//! The path is looked up in what the kernel remembers of directories (`openat2` with
//! `RESOLVE_CACHED`), the bytes are taken out of the page cache (`preadv2` with `RWF_NOWAIT`), so
//! both are done on whatever thread asks. A file system that lives in memory knows no other way,
//! refuses to be asked, and is read like any file. Paths stay below the folder (`RESOLVE_BENEATH`),
//! whoever swaps links, and on its file system (`RESOLVE_NO_XDEV`), so that all files are on its
//! [`FileSystem`].
//!
//! Only for file systems that keep what they know on this machine: opening a file on another one
//! asks a server, which may hang ([`file_system`]). Says no where it has to wait, where a link is
//! absolute, where there is an error, and on systems that are not Linux: then [`super::file`] and a
//! thread that may wait do the same, and name the error.

#[cfg(target_os = "linux")]
pub(super) use linux::{file_system, open, read};

/// Where a folder of this machine keeps its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
pub(super) enum FileSystem {
    Memory,
    Disk,
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::File;
    use std::io::IoSliceMut;
    use std::os::unix::fs::FileExt;
    use std::path::Path;

    use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};
    use rustix::io::{Errno, ReadWriteFlags};

    use super::FileSystem;

    /// tmpfs and ramfs, as statfs(2) numbers them.
    const IN_MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58F6];
    /// ext2 to ext4, XFS, Btrfs, ZFS, F2FS.
    const ON_DISK: [u64; 5] = [0xEF53, 0x5846_5342, 0x9123_683E, 0x2FC1_2FC1, 0xF2F5_2010];

    /// What a folder is on; `None` where that is not of this machine. May block.
    pub(in super::super) fn file_system(root: &Path) -> Option<FileSystem> {
        let kind = rustix::fs::statfs(root).ok()?.f_type as u64;
        let on_disk = || ON_DISK.contains(&kind).then_some(FileSystem::Disk);
        IN_MEMORY.contains(&kind).then_some(FileSystem::Memory).or_else(on_disk)
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

    /// Fills `piece` from `start` on; false where that cannot be done now.
    pub(in super::super) fn read(
        file: &File,
        file_system: FileSystem,
        piece: &mut [u8],
        start: u64,
    ) -> bool {
        if file_system == FileSystem::Memory {
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
                Err(_) => return false,
            }
        }
        true
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn file_system(_: &std::path::Path) -> Option<FileSystem> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(super) fn open(_: &std::path::Path, _: &str) -> Option<(std::fs::File, u64)> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(super) fn read(_: &std::fs::File, _: FileSystem, _: &mut [u8], _: u64) -> bool {
    false
}
