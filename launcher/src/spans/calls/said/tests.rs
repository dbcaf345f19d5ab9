//! What the items of a call are.

use super::*;

fn item(number: u16, bytes: &[u8]) -> Item {
    Item { number, bytes: bytes.to_vec(), goes_on: false }
}

#[test]
fn attributes_of_every_type() {
    let items = [
        item(item::KEY, b"bool"),
        item(item::WORD + attribute_type::BOOL, &1_u64.to_le_bytes()),
        item(item::KEY, b"int"),
        item(item::WORD + attribute_type::INT64, &(-5_i64).to_le_bytes()),
        item(item::KEY, b"float"),
        item(item::WORD + attribute_type::FLOAT64, &1.5_f64.to_le_bytes()),
        item(item::KEY, b"text"),
        item(item::STRING + attribute_type::STRING, b"value"),
        item(item::KEY, b"bools"),
        item(item::SLICE + attribute_type::BOOLS, &[1, 0]),
        item(item::KEY, b"ints"),
        item(item::SLICE + attribute_type::INT64S, &[7_i64.to_le_bytes(), (-1_i64).to_le_bytes()].concat()),
        item(item::KEY, b"texts"),
        item(item::SLICE + attribute_type::STRINGS, &2_u64.to_le_bytes()),
        item(item::ELEMENT, b"a"),
        item(item::ELEMENT, b""),
        item(item::KEY, b"text"),
        item(item::STRING + attribute_type::STRING, b"again"),
        item(item::KEY, b""),
        item(item::STRING + attribute_type::STRING, b"no key"),
    ];
    let expected = [
        KeyValue::new("bool", true),
        KeyValue::new("int", -5),
        KeyValue::new("float", 1.5),
        KeyValue::new("text", "again"),
        KeyValue::new("bools", Value::Array(Array::Bool(vec![true, false]))),
        KeyValue::new("ints", Value::Array(Array::I64(vec![7, -1]))),
        KeyValue::new("texts", Value::Array(Array::String(vec!["a".into(), "".into()]))),
    ];
    assert_eq!(attributes(&items), expected);
}

#[test]
fn times_of_both_forms() {
    let bytes = |wall: u64, ext: i64| [wall.to_le_bytes(), ext.to_le_bytes()].concat();
    // time.Unix(1700000000, 5): seconds since the year 1 in `ext`.
    let expected = UNIX_EPOCH + Duration::new(1_700_000_000, 5);
    assert_eq!(go_time(&bytes(5, 1_700_000_000 + 62_135_596_800)), Some(expected));
    // time.Now(): seconds since 1885 in `wall`.
    let wall = 1 << 63 | (1_700_000_000 + 2_682_288_000) << 30 | 5;
    assert_eq!(go_time(&bytes(wall, 123)), Some(expected));
    assert_eq!(go_time(&bytes(0, 0)), None);
}
