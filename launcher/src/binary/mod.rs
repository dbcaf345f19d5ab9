//! A Go program's file, read: what it is, where its functions are, how its types lie in memory.
//!
//! File bytes in, facts out. Nothing here opens a file, asks the kernel or depends on the machine it runs on, and nothing is
//! written by hand for a Go version: offsets come from the program's own tables (see [`GoBinary`]). Every byte may be
//! hostile: whatever does not fit is an error or absent, never a panic.

mod address;
mod arg_info;
mod build_info;
mod bytes;
mod code;
mod defined;
mod descriptor;
mod elements;
mod error;
mod func_record;
mod funcdata;
mod function_table;
mod functions;
mod image;
mod implementers;
mod inline_tree;
mod itab;
mod kind;
mod layout;
mod map_format;
mod map_layout;
mod methods;
mod module_data;
mod name_parts;
mod pclntab;
mod sites;
mod type_name;
mod types;
mod wanted;
mod windows;

use std::sync::OnceLock;

pub use address::{FileOffset, VirtAddr};
pub use arg_info::{ArgInfo, ArgPart};
pub use build_info::{BuildInfo, Dependency, GoVersion, Module};
pub use code::ends::{
    Base, Condition, EndClass, EndInstruction, EndSite, Guard, MAX_LOADS, MAX_RESULT_WORDS, ResultLocation, TailResult,
    merge_end_sites,
};
pub use code::{Call, Cost, DetourSite, EntryKind, EntrySite, JUMP, Turn, Window, cost, first_call_after};
pub use defined::{DefinedType, TypeParts};
pub use error::BinaryError;
pub use functions::{Ambiguous, Function, Functions};
pub use image::Architecture;
pub use inline_tree::Inlined;
pub use kind::Kind;
pub use layout::{Field, Layouts, TypeLayout};
pub use map_layout::{HmapLayout, MAP_SLOTS, MapLayout, SlotLayout, SwissLayout};
pub use methods::FuncParts;

use defined::NameIndex;
use descriptor::TypeRegion;
use function_table::FunctionTable;
use image::Image;
use map_layout::MapReader;
use module_data::ModuleData;
use pclntab::PclnTable;
use types::{TypeList, Types};

/// A Go program of Go 1.18 or newer, for amd64 or arm64; stripped, position-independent and cgo programs included.
///
/// | fact | source in the file |
/// |---|---|
/// | Go version, modules, settings | build information (`.go.buildinfo`) |
/// | functions | `runtime.pclntab`, with the text's address from `runtime.moduledata` |
/// | their parameters' places, defers, inlined calls | `runtime._func` and its funcdata |
/// | struct and map layouts, itabs, the types of methods | type descriptors, from `runtime.moduledata`'s lists |
/// | probe sites, calls | the machine code |
///
/// Addresses are those of the file. In the process they are higher by the load bias, see [`VirtAddr`].
#[derive(Debug)]
pub struct GoBinary<'a> {
    image: Image<'a>,
    build_info: BuildInfo,
    pclntab: PclnTable<'a>,
    module_data: ModuleData,
    /// See [`FunctionTable::wrapper_id`].
    wrapper_id: OnceLock<Option<u8>>,
    /// The walk over all type descriptors happens when the first type is asked for.
    types: OnceLock<Result<TypeList, BinaryError>>,
    /// Made when the first defined type is asked for by its name alone.
    type_names: OnceLock<NameIndex>,
}

impl<'a> GoBinary<'a> {
    /// Reads the headers and finds the tables; everything else is read when it is asked for.
    ///
    /// # Errors
    /// The file is not a Go program, or not one whose tables are understood.
    pub fn parse(file: &'a [u8]) -> Result<Self, BinaryError> {
        let image = Image::parse(file)?;
        let build_info = BuildInfo::find(&image)?;
        let version = build_info.as_ref().and_then(|info| info.go_version.clone());
        if let Some(version) = version.as_ref().filter(|version| version.is_before(1, 18)) {
            return Err(BinaryError::UnsupportedGoVersion { version: version.raw.clone() });
        }
        let missing = version.map_or(BinaryError::NotGo, |version| BinaryError::FunctionTableNotFound { version: version.raw });
        let pclntab = PclnTable::find(&image)?.ok_or(missing)?;
        let module_data = ModuleData::find(&image, &pclntab)?;
        let build_info = build_info.unwrap_or_default();
        Ok(Self {
            image,
            build_info,
            pclntab,
            module_data,
            wrapper_id: OnceLock::new(),
            types: OnceLock::new(),
            type_names: OnceLock::new(),
        })
    }

    /// The processor that the program is for.
    #[must_use]
    pub fn architecture(&self) -> Architecture {
        self.image.architecture
    }

    /// The ELF entry point. `AT_ENTRY` of the process minus this is the load bias.
    #[must_use]
    pub fn elf_entry(&self) -> VirtAddr {
        self.image.entry
    }

    /// Whether the program is position-independent, so that its load bias is not zero.
    #[must_use]
    pub fn is_pie(&self) -> bool {
        self.image.pie
    }

    /// What the program says about how it was built; without contents if it says nothing.
    #[must_use]
    pub fn build_info(&self) -> &BuildInfo {
        &self.build_info
    }

    /// Where the byte at `address` lies in the file; `None` if the file does not hold it.
    #[must_use]
    pub fn file_offset(&self, address: VirtAddr) -> Option<FileOffset> {
        self.image.file_offset(address)
    }

    fn function_table(&self) -> FunctionTable<'_, 'a> {
        let Self { image, pclntab, module_data, wrapper_id, build_info: _, types: _, type_names: _ } = self;
        FunctionTable { image, pclntab, module_data, wrapper_id }
    }

    /// All functions called `names`, as far as the program has them. One pass: ask for all at once.
    #[must_use]
    pub fn functions(&self, names: &[&str]) -> Functions {
        self.function_table().find(names)
    }

    /// All functions whose name `is_wanted` accepts. One pass over the names.
    #[must_use]
    pub fn functions_where(&self, is_wanted: impl Fn(&str) -> bool) -> Functions {
        self.function_table().find_where(is_wanted)
    }

    /// The functions that contain inlined copies of `names`. Reads the tables of all functions.
    #[must_use]
    pub fn inlined(&self, names: &[&str]) -> Inlined {
        self.function_table().inlined(names)
    }

    /// Every function of the program, in the order of addresses.
    pub fn all_functions(&self) -> impl Iterator<Item = Function> {
        self.function_table().all()
    }

    /// The function that contains `address`.
    #[must_use]
    pub fn function_at(&self, address: VirtAddr) -> Option<Function> {
        self.function_table().at(address)
    }

    /// The machine code of `function`.
    ///
    /// # Errors
    /// It does not lie in the file.
    pub fn code(&self, function: &Function) -> Result<&'a [u8], BinaryError> {
        let corrupt = BinaryError::Corrupt { what: "the code of a function", address: function.entry };
        let len = function.end.distance_from(function.entry);
        len.and_then(|len| self.image.bytes(function.entry, len)).ok_or(corrupt)
    }

    fn type_region(&self) -> Result<TypeRegion<'_, 'a>, BinaryError> {
        let region = TypeRegion::new(&self.image, &self.module_data)?;
        let version = self.build_info.go_version.as_ref();
        Ok(TypeRegion { offset_embed: version.is_some_and(|version| version.is_before(1, 19)), ..region })
    }

    /// Runs `read` on the list of types, which the first call makes.
    fn with_types<T>(&self, read: impl FnOnce(&Types<'_, 'a>) -> T) -> Result<T, BinaryError> {
        let region = self.type_region()?;
        let list = self.types.get_or_init(|| TypeList::find(&region, self.module_data.index));
        let list = list.as_ref().map_err(Clone::clone)?;
        Ok(read(&Types { region, list }))
    }

    /// The layouts of the types called `names` (`net/http.Request`), as far as the program describes them.
    ///
    /// # Errors
    /// The program's type descriptors cannot be read at all.
    pub fn layouts(&self, names: &[&str]) -> Result<Layouts, BinaryError> {
        self.with_types(|types| Layouts::read(types, names))
    }

    /// The layouts of all defined struct types: (full name, layout).
    ///
    /// # Errors
    /// As [`Self::layouts`].
    pub fn all_layouts(&self) -> Result<Vec<TypeLayout>, BinaryError> {
        self.with_types(|types| {
            let maps = MapReader::new(types);
            let named = types.descriptors().filter(|found| found.is_named() && found.kind == Kind::Struct);
            named.filter_map(|found| layout::layout(types, &maps, types.name(&found)?, &found)).collect()
        })
    }

    /// The layout of the type whose descriptor is at `address`, for example of a field's type.
    ///
    /// # Errors
    /// As [`Self::layouts`].
    pub fn layout_at(&self, address: VirtAddr) -> Result<Option<TypeLayout>, BinaryError> {
        self.with_types(|types| {
            let descriptor = types.descriptor_at(address)?;
            layout::layout(types, &MapReader::new(types), types.name(&descriptor)?, &descriptor)
        })
    }

    /// The descriptors' addresses of `names`, which may be pointers (`*net/http.response`) or unnamed (`[]string`).
    ///
    /// # Errors
    /// As [`Self::layouts`].
    pub fn types_named(&self, names: &[&str]) -> Result<Vec<Option<VirtAddr>>, BinaryError> {
        self.with_types(|types| {
            let found = types.find_any(names).into_iter();
            found.map(|descriptor| Some(types.region.address(descriptor?.offset))).collect()
        })
    }

    /// The descriptor's address of one type; see [`Self::types_named`].
    ///
    /// # Errors
    /// As [`Self::layouts`].
    pub fn type_named(&self, name: &str) -> Result<Option<VirtAddr>, BinaryError> {
        Ok(self.types_named(&[name])?.into_iter().next().flatten())
    }

    /// The full name of the type whose descriptor is at `address`, such as `*errors.errorString`.
    ///
    /// Needs no walk over the types. `None` if there is no descriptor at `address`.
    #[must_use]
    pub fn type_name_at(&self, address: VirtAddr) -> Option<String> {
        let region = self.type_region().ok()?;
        let types = Types { region, list: &TypeList::EMPTY };
        types.name(&types.descriptor_at(address)?)
    }

    /// `len` bytes at `address` that the program cannot change, such as those of a constant string.
    #[must_use]
    pub fn constant(&self, address: VirtAddr, len: u64) -> Option<&'a [u8]> {
        self.image.constant(address, len)
    }

    /// The itab of the type `concrete` (`*net/http.response`) as `interface` (`net/http.ResponseWriter`): the first word
    /// of such interface values. `None` if the linker made none; the runtime may still make one at an unknown address.
    ///
    /// # Errors
    /// As [`Self::layouts`].
    pub fn itab(&self, concrete: &str, interface: &str) -> Result<Option<VirtAddr>, BinaryError> {
        self.with_types(|types| match types.find_any(&[concrete, interface]).as_slice() {
            [Some(concrete), Some(interface)] => types.itab(concrete, interface),
            _ => None,
        })
    }
}
