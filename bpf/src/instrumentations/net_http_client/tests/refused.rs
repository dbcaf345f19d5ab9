//! Headers of HTTP/1 to which nothing is written.

use super::*;

#[test]
fn nothing_is_written_where_it_cannot_be_right() {
    on_each(|release, client| {
        let (request, header) = client.request("/", &[]);
        client.span(request);
        let line = "GET / HTTP/1.1\r\n";
        let refused = |case: &str, missed, map, table, (writer, _): (u64, u64), exclude| {
            assert_eq!(client.write(map, table, writer, exclude).err(), Some(missed), "{release}: {case}");
        };
        let (not_ours, lost) = (Missed::NothingToDo, Missed::NotInjected);
        refused("another header", not_ours, header + 8, BUFFERED, client.writer(4096, line), 8);
        refused("another kind of writer", not_ours, header, BUFFERED + 64, client.writer(4096, line), 8);
        refused("the transport's own headers", not_ours, header, BUFFERED, client.writer(4096, line), 0);
        refused("nothing buffered", lost, header, BUFFERED, client.writer(4096, ""), 8);
        refused("in the middle of a line", lost, header, BUFFERED, client.writer(4096, "GET / HTTP"), 8);
        refused("one byte too few", lost, header, BUFFERED, client.writer(line.len() as u64 + 69, line), 8);
        refused("no writer", lost, header, BUFFERED, (0, 0), 8);
        let (writer, _) = client.writer(line.len() as u64 + 70, line);
        assert!(client.write(header, BUFFERED, writer, 8).is_ok(), "{release}: just enough room");
    });
}
