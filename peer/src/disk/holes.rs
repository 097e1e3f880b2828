//! Finds and makes holes in sparse files.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::fs::{FallocateFlags, SeekFrom};
use rustix::io::Errno;

use super::calls::Disk;

/// What a file system makes holes of.
const BLOCK_BYTES: usize = 4096;
/// Zeros to write where no holes can be made.
static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

/// Whether the file system knows that nothing but zeros stands in these bytes.
///
/// # Errors
/// The system's.
pub fn is_hole(file: &File, offset: u64, len: u64) -> io::Result<bool> {
    match rustix::fs::seek(file, SeekFrom::Data(offset)) {
        Ok(data) => Ok(data >= offset.saturating_add(len)),
        // There is no more data up to the end, or the file system cannot tell.
        Err(Errno::NXIO) => Ok(true),
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(false),
        Err(cause) => Err(cause.into()),
    }
}

/// Makes these bytes zero, and a hole where the file system can. The file does not grow.
///
/// # Errors
/// The system's.
pub fn punch(disk: &Disk, file: &File, offset: u64, len: u64) -> io::Result<()> {
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    match disk.call("make a hole", || rustix::fs::fallocate(file, flags, offset, len)) {
        Err(cause) if matches!(Errno::from_io_error(&cause), Some(Errno::OPNOTSUPP | Errno::NOSYS)) => {
            let end = (offset + len).min(disk.call("look at", || file.metadata())?.len());
            let mut at = offset;
            while at < end {
                let len = usize::try_from(end - at).unwrap_or(ZEROS.len()).min(ZEROS.len());
                disk.call("write", || file.write_all_at(&ZEROS[..len], at))?;
                at += len as u64;
            }
            Ok(())
        }
        punched => punched,
    }
}

/// Writes bytes so that blocks of zeros are holes. `offset` lies between blocks; the file may end up too short when the last
/// block is one.
///
/// # Errors
/// The system's.
pub fn write_around(disk: &Disk, file: &File, content: &[u8], offset: u64) -> io::Result<()> {
    let is_zero = |block: &[u8]| block.iter().all(|byte| *byte == 0);
    let mut at = 0;
    while at < content.len() {
        let hole = is_zero(&content[at..content.len().min(at + BLOCK_BYTES)]);
        let run = content[at..].chunks(BLOCK_BYTES).take_while(|block| is_zero(block) == hole);
        let len: usize = run.map(<[u8]>::len).sum();
        let place = offset + at as u64;
        if hole {
            punch(disk, file, place, len as u64)?;
        } else {
            disk.call("write", || file.write_all_at(&content[at..at + len], place))?;
        }
        at += len;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn disk() -> Disk {
        Disk::new("/".into())
    }

    #[test]
    fn zeros_become_holes_also_where_something_stood() {
        let file = tempfile::tempfile().unwrap();
        let mut content = vec![7; 1 << 20];
        write_around(&disk(), &file, &content, 0).unwrap();
        assert!(!is_hole(&file, 0, 1 << 20).unwrap());
        let full = file.metadata().unwrap().blocks();
        content[8192..1 << 19].fill(0);
        write_around(&disk(), &file, &content, 0).unwrap();
        let mut read = vec![1; 1 << 20];
        file.read_exact_at(&mut read, 0).unwrap();
        assert!(read == content);
        assert!(file.metadata().unwrap().blocks() < full * 3 / 4);
        assert!(is_hole(&file, 8192, 4096).unwrap() && !is_hole(&file, 0, 1 << 20).unwrap());
    }

    #[test]
    fn what_lies_behind_the_last_data_is_a_hole() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(b"data", 0).unwrap();
        file.set_len(10 << 20).unwrap();
        assert!(is_hole(&file, 1 << 20, 9 << 20).unwrap());
        punch(&disk(), &file, 0, 1 << 20).unwrap();
        assert!(is_hole(&file, 0, 10 << 20).unwrap());
        assert_eq!(file.metadata().unwrap().len(), 10 << 20);
    }
}
