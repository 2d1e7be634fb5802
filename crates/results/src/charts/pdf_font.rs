//! A font inside of a PDF: the glyphs that are used, their widths, and which characters they stand for.

use std::collections::{BTreeMap, BTreeSet};

use pdf_writer::types::{CidFontType, FontFlags, SystemInfo, UnicodeCmap};
use pdf_writer::{Filter, Finish, Name, Pdf, Rect, Ref, Str};
use sha2::{Digest, Sha256};
use subsetter::{GlyphRemapper, subset};
use ttf_parser::{Face, GlyphId};

use super::pdf::deflated;
use crate::error::Error;

const SYSTEM: SystemInfo<'static> = SystemInfo {
    registry: Str(b"Adobe"),
    ordering: Str(b"Identity"),
    supplement: 0,
};

/// One face and what is used of it.
pub(super) struct Font {
    /// Whether it is the bold face.
    pub(super) bold: bool,
    /// Its name in the page's content.
    pub(super) name: &'static [u8],
    postscript: String,
    data: &'static [u8],
    face: Face<'static>,
    /// Place in the file's font and width in ems, by character.
    glyphs: BTreeMap<char, (u16, f64)>,
    remapper: GlyphRemapper,
    first: i32,
}

impl Font {
    /// How many objects of the file it is.
    pub(super) const OBJECTS: i32 = 5;

    /// The face cut down to some characters; its objects are numbered from `first`.
    pub(super) fn new(
        (bold, name, postscript): (bool, &'static [u8], &str),
        data: &'static [u8],
        used: &BTreeSet<char>,
        first: i32,
    ) -> Result<Self, Error> {
        let face = Face::parse(data, 0).map_err(|_| Error::Font)?;
        let em = f64::from(face.units_per_em());
        let mut remapper = GlyphRemapper::new();
        let mut glyphs = BTreeMap::new();
        for &character in used {
            // Glyph 0 is the empty box.
            let glyph = face.glyph_index(character).unwrap_or(GlyphId(0));
            let width = f64::from(face.glyph_hor_advance(glyph).unwrap_or(0)) / em;
            glyphs.insert(character, (remapper.remap(glyph.0), width));
        }
        // Six letters that differ where the glyphs do, as the format asks for.
        let seen: String = used.iter().collect();
        let hash = Sha256::digest(seen.as_bytes());
        let tag: String = hash.iter().take(6).map(|byte| char::from(b'A' + byte % 26)).collect();
        Ok(Self {
            bold,
            name,
            postscript: format!("{tag}+{postscript}"),
            data,
            face,
            glyphs,
            remapper,
            first,
        })
    }

    /// The font's object.
    pub(super) fn reference(&self) -> Ref {
        Ref::new(self.first)
    }

    /// Width of a text, in ems.
    pub(super) fn width(&self, text: &str) -> f64 {
        let width = |c: char| self.glyphs.get(&c).map_or(0.0, |(_, width)| *width);
        text.chars().map(width).sum()
    }

    /// The text as the page's content says it: two bytes per glyph.
    pub(super) fn encoded(&self, text: &str) -> Vec<u8> {
        let glyph = |c: char| self.glyphs.get(&c).map_or(0, |(glyph, _)| *glyph);
        text.chars().flat_map(|c| glyph(c).to_be_bytes()).collect()
    }

    /// Writes its objects; says why the font cannot be cut down.
    pub(super) fn write(&self, file: &mut Pdf) -> Result<(), String> {
        let [whole, cid, descriptor, program, characters] = [0, 1, 2, 3, 4].map(|i| Ref::new(self.first + i));
        let postscript = Name(self.postscript.as_bytes());
        let mut font = file.type0_font(whole);
        font.base_font(postscript).encoding_predefined(Name(b"Identity-H"));
        font.descendant_font(cid).to_unicode(characters);
        font.finish();
        let mut font = file.cid_font(cid);
        font.subtype(CidFontType::Type2)
            .base_font(postscript)
            .system_info(SYSTEM);
        font.font_descriptor(descriptor).default_width(0.0);
        font.cid_to_gid_map_predefined(Name(b"Identity"));
        font.widths().consecutive(0, self.widths());
        font.finish();
        self.descriptor(file, descriptor, program);
        let cut = subset(self.data, 0, &self.remapper).map_err(|error| error.to_string())?;
        let packed = deflated(&cut);
        let mut stream = file.stream(program, &packed);
        stream
            .filter(Filter::FlateDecode)
            .pair(Name(b"Length1"), cut.len() as i32);
        stream.finish();
        let packed = deflated(&self.characters());
        file.stream(characters, &packed).filter(Filter::FlateDecode);
        Ok(())
    }

    fn descriptor(&self, file: &mut Pdf, descriptor: Ref, program: Ref) {
        let box_ = self.face.global_bounding_box();
        let bounds = Rect::new(
            self.thousandths(box_.x_min),
            self.thousandths(box_.y_min),
            self.thousandths(box_.x_max),
            self.thousandths(box_.y_max),
        );
        let capitals = self.face.capital_height().unwrap_or(self.face.ascender());
        let mut entry = file.font_descriptor(descriptor);
        entry.name(Name(self.postscript.as_bytes())).flags(FontFlags::SYMBOLIC);
        entry.bbox(bounds).italic_angle(0.0);
        entry.ascent(self.thousandths(self.face.ascender()));
        entry.descent(self.thousandths(self.face.descender()));
        // Stems are not in the font's tables; readers use them only where they draw another font.
        entry
            .cap_height(self.thousandths(capitals))
            .stem_v(if self.bold { 160.0 } else { 80.0 });
        entry.font_file2(program);
    }

    /// Of every glyph in the file's font, in thousandths of an em.
    fn widths(&self) -> Vec<f32> {
        let advance = |glyph: u16| self.face.glyph_hor_advance(GlyphId(glyph)).unwrap_or(0);
        let em = f32::from(self.face.units_per_em());
        let width = |glyph| (f32::from(advance(glyph)) * 1000.0 / em).round();
        self.remapper.remapped_gids().map(width).collect()
    }

    fn thousandths(&self, units: i16) -> f32 {
        (f32::from(units) * 1000.0 / f32::from(self.face.units_per_em())).round()
    }

    /// Which character each glyph stands for: so that texts can be searched and copied.
    fn characters(&self) -> Vec<u8> {
        let mut map = UnicodeCmap::new(Name(b"Characters"), SYSTEM);
        let mut said = BTreeSet::from([0]);
        for (character, (glyph, _)) in &self.glyphs {
            if said.insert(*glyph) {
                map.pair(*glyph, *character);
            }
        }
        map.finish().as_slice().to_vec()
    }
}
