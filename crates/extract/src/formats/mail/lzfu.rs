//! The compression of RTF in Outlook's files (MS-OXRTFCP).

const COMPRESSED: &[u8; 4] = b"LZFu";
const STORED: &[u8; 4] = b"MELA";
const HEADER_BYTES: usize = 16;
const WINDOW: usize = 4096;

/// What the window holds at the beginning.
const INITIAL: &[u8] =
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \
\\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \
\\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";

/// The RTF, as far as it can be unpacked; at most seventeen times the input.
pub fn decompress(bytes: &[u8]) -> Option<Vec<u8>> {
    let (header, mut input) = bytes.split_at_checked(HEADER_BYTES)?;
    let word = |at: usize| header[at..].first_chunk::<4>();
    let size = u32::from_le_bytes(*word(4)?) as usize;
    match word(8)? {
        STORED => return Some(input[..size.min(input.len())].to_vec()),
        COMPRESSED => {}
        _ => return None,
    }
    let mut window = [0; WINDOW];
    window[..INITIAL.len()].copy_from_slice(INITIAL);
    let (mut output, mut at) = (Vec::new(), INITIAL.len());
    let mut put = |window: &mut [u8; WINDOW], byte: u8, output: &mut Vec<u8>| {
        window[at] = byte;
        at = (at + 1) % WINDOW;
        output.push(byte);
        at
    };
    let mut end = INITIAL.len();
    while let [flags, rest @ ..] = input {
        input = rest;
        for bit in 0..8 {
            if output.len() >= size {
                return Some(output);
            }
            if flags >> bit & 1 == 0 {
                let [byte, rest @ ..] = input else { return Some(output) };
                end = put(&mut window, *byte, &mut output);
                input = rest;
            } else {
                let [high, low, rest @ ..] = input else { return Some(output) };
                let token = u16::from_be_bytes([*high, *low]);
                let (from, length) = (usize::from(token >> 4), usize::from(token & 15) + 2);
                if from == end {
                    return Some(output);
                }
                for step in 0..length {
                    let byte = window[(from + step) % WINDOW];
                    end = put(&mut window, byte, &mut output);
                }
                input = rest;
            }
        }
    }
    Some(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the specification.
    #[test]
    fn the_examples_unpack() {
        let simple =
            b"\x2d\0\0\0\x2b\0\0\0\x4c\x5a\x46\x75\xf1\xc5\xc7\xa7\x03\0\x0a\0\x72\x63\x70\x67\x31\x32\
            \x35\x42\x32\x0a\xf3\x20\x68\x65\x6c\x09\0\x20\x62\x77\x05\xb0\x6c\x64\x7d\x0a\x80\x0f\xa0";
        assert_eq!(
            decompress(simple).as_deref(),
            Some(&b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"[..])
        );
        let overlapping =
            b"\x1a\0\0\0\x1c\0\0\0\x4c\x5a\x46\x75\xe2\xd4\x4b\x51\x41\0\x04\x20\x57\x58\x59\x5a\x0d\
            \x6e\x7d\x01\x0e\xb0";
        assert_eq!(decompress(overlapping).as_deref(), Some(&b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"[..]));
    }

    #[test]
    fn any_bytes_come_to_an_end() {
        let mut bytes = b"\0\0\0\0\xff\xff\xff\xffLZFu\0\0\0\0".to_vec();
        bytes.extend((0..10_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 11) as u8));
        assert!(decompress(&bytes).is_some_and(|output| output.len() < bytes.len() * 17));
        assert_eq!(decompress(b"LZFu"), None);
    }
}
