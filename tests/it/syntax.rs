use unmask::{span::FileId, syntax::*};
#[test]
fn smoke() {
    for name in ["milky_way", "forms"] {
        let text = std::fs::read_to_string(format!("tests/syntax/valid/{name}.ppl")).unwrap();
        let parsed = parse(FileId(0), &text);
        println!("{} items {:#?}", parsed.file.items.len(), parsed.errors);
        assert!(parsed.errors.is_empty());
    }
}
