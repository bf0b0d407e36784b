//! The imports of a crate's source files, without its tests: which file uses an item of which other file.
//!
//! A name that a module re-exports counts as an import of the file that defines it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree};

/// A path of names, such as `["store", "blobs"]`.
pub(super) type Names = Vec<String>;

/// The source files of a crate, by the path of their module.
#[derive(Debug, Default)]
pub(super) struct Sources {
    folder: PathBuf,
    files: BTreeMap<Names, Source>,
}

#[derive(Debug, Default)]
struct Source {
    path: PathBuf,
    /// Whether the file has functions, types or constants outside of its tests.
    has_code: bool,
    /// The names that `use` brings into the module, with their absolute paths.
    brought: BTreeMap<String, Names>,
    /// The names that `use` brings into the module from a path that begins with a child or with another crate.
    from_children: BTreeMap<String, Names>,
    /// The modules of `use module::*`.
    globs: Vec<Names>,
    /// All absolute paths that the file mentions.
    mentioned: BTreeSet<Names>,
}

impl Sources {
    /// Reads all files below `source`, the folder of `lib.rs`.
    pub(super) fn read(source: &Path) -> Self {
        let mut sources = Self { folder: source.to_owned(), ..Self::default() };
        let mut folders = vec![source.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
                if stem == "main" || stem.ends_with("tests") {
                    continue;
                }
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let module = module_of(source, &path);
                    sources.files.insert(module.clone(), Source::read(path, &module));
                }
            }
        }
        sources.add_children();
        sources
    }

    /// The names of the modules of the crate.
    pub(super) fn modules(&self) -> BTreeSet<String> {
        self.files.keys().filter_map(|module| module.first().cloned()).collect()
    }

    /// The other modules of the crate that a module uses, each with a file that does.
    pub(super) fn used_by(&self, module: &str) -> BTreeMap<String, &Path> {
        let modules = self.modules();
        let files =
            self.files.iter().filter(|(path, _)| path.first().is_some_and(|first| first == module));
        let used = files.flat_map(|(_, file)| {
            let names = file.mentioned.iter().filter_map(|path| path.first());
            names.map(|name| (name.clone(), file.path.as_path()))
        });
        used.filter(|(name, _)| name != module && modules.contains(name)).collect()
    }

    /// Each file with the files that it imports, as paths in the folder of the sources.
    pub(super) fn imports(&self) -> BTreeMap<PathBuf, BTreeSet<PathBuf>> {
        let relative = |found: &Source| found.path.strip_prefix(&self.folder).unwrap().to_owned();
        let of_file = |file: &Source| {
            let found = file.mentioned.iter().filter_map(|path| self.definition(path, 0));
            found.filter(|found| found.path != file.path).map(relative).collect()
        };
        self.files.values().map(|file| (relative(file), of_file(file))).collect()
    }

    /// The files `mod.rs` that contain more than documentation, modules and imports.
    pub(super) fn mod_files_with_code(&self) -> Vec<PathBuf> {
        let files =
            self.files.values().filter(|file| file.has_code && file.path.ends_with("mod.rs"));
        files.map(|file| file.path.clone()).collect()
    }

    /// A path that begins with the name of a child, such as `open::file()`, mentions the child.
    fn add_children(&mut self) {
        let modules: BTreeSet<Names> = self.files.keys().cloned().collect();
        for (module, source) in &mut self.files {
            for (name, path) in std::mem::take(&mut source.from_children) {
                if modules.contains(&[module.as_slice(), &path[..1]].concat()) {
                    source.brought.insert(name, [module.as_slice(), &path].concat());
                }
            }
            let relative = std::mem::take(&mut source.mentioned);
            source.mentioned = relative
                .into_iter()
                .filter_map(|mut path| match path.first()?.as_str() {
                    "crate" => Some(path.split_off(1)),
                    first => {
                        let child = [module.as_slice(), &[first.to_owned()]].concat();
                        if modules.contains(&child) {
                            return Some([module.as_slice(), &path].concat());
                        }
                        let brought = source.brought.get(first)?;
                        Some([brought.as_slice(), &path[1..]].concat())
                    }
                })
                .collect();
            for path in source.brought.values() {
                source.mentioned.insert(path.clone());
            }
        }
    }

    /// The file that defines the last name of a path, or the module if it ends with one.
    fn definition(&self, path: &[String], depth: usize) -> Option<&Source> {
        if depth > 16 {
            return None;
        }
        let known = (0..=path.len()).rev().find(|len| self.files.contains_key(&path[..*len]))?;
        let file = &self.files[&path[..known]];
        let Some(name) = path.get(known) else { return Some(file) };
        if let Some(brought) = file.brought.get(name) {
            let full = [brought.as_slice(), &path[known + 1..]].concat();
            return self.definition(&full, depth + 1);
        }
        for glob in &file.globs {
            let full = [glob.as_slice(), &path[known..]].concat();
            let found = self.definition(&full, depth + 1);
            if let Some(found) = found.filter(|found| found.path != file.path) {
                return Some(found);
            }
        }
        Some(file)
    }
}

fn module_of(source: &Path, path: &Path) -> Names {
    let relative = path.strip_prefix(source).unwrap().with_extension("");
    let mut names: Names = relative.iter().map(|name| name.to_str().unwrap().to_owned()).collect();
    if names.last().is_some_and(|name| name == "mod" || name == "lib") {
        names.pop();
    }
    names
}

impl Source {
    fn read(path: PathBuf, module: &Names) -> Self {
        let text = std::fs::read_to_string(&path).unwrap();
        let parsed = syn::parse_file(&text).unwrap();
        let mut reader = Reader { module, found: Self { path, ..Self::default() } };
        reader.visit_file(&parsed);
        reader.found
    }
}

struct Reader<'a> {
    module: &'a Names,
    found: Source,
}

impl Reader<'_> {
    /// The absolute path, with `crate` in front, of a path that begins with `crate`, `self` or `super`.
    fn absolute(&self, path: &[String]) -> Option<Names> {
        match path.first()?.as_str() {
            "crate" => Some(path.to_vec()),
            "self" => Some([&["crate".to_owned()], self.module.as_slice(), &path[1..]].concat()),
            "super" => {
                let up = path.iter().take_while(|name| *name == "super").count();
                let parent = &self.module[..self.module.len().checked_sub(up)?];
                Some([&["crate".to_owned()], parent, &path[up..]].concat())
            }
            _ => None,
        }
    }

    fn mention(&mut self, path: &[String]) {
        let path = self.absolute(path).unwrap_or_else(|| path.to_vec());
        self.found.mentioned.insert(path);
    }

    fn read_use(&mut self, tree: &UseTree, before: &[String]) {
        let with = |name: String| [before, &[name]].concat();
        match tree {
            UseTree::Path(path) => self.read_use(&path.tree, &with(path.ident.to_string())),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.read_use(tree, before);
                }
            }
            UseTree::Glob(_) => {
                if let Some(path) = self.absolute(before) {
                    self.found.mentioned.insert(path.clone());
                    self.found.globs.push(path[1..].to_vec());
                }
            }
            UseTree::Name(name) if name.ident == "self" => {
                let brought = before.last().cloned().unwrap_or_default();
                self.bring(brought, before);
            }
            UseTree::Name(name) => {
                self.bring(name.ident.to_string(), &with(name.ident.to_string()));
            }
            UseTree::Rename(rename) => {
                let path = with(rename.ident.to_string());
                self.bring(rename.rename.to_string(), &path);
            }
        }
    }

    fn bring(&mut self, name: String, path: &[String]) {
        if let Some(path) = self.absolute(path) {
            self.found.brought.insert(name, path[1..].to_vec());
        } else if path.len() > 1 {
            self.found.from_children.insert(name, path.to_vec());
        }
    }

    /// Finds paths in the text of a macro, which is not parsed.
    fn read_tokens(&mut self, tokens: TokenStream) {
        let mut path: Names = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.end(&mut path);
                    }
                    path.push(name.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.end(&mut path);
                    self.read_tokens(group.stream());
                }
                _ => self.end(&mut path),
            }
        }
        self.end(&mut path);
    }

    fn end(&mut self, path: &mut Names) {
        if path.len() > 1 {
            self.mention(path);
        }
        path.clear();
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .meta
                .require_list()
                .is_ok_and(|list| list.tokens.to_string().starts_with("test"))
    })
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Mod(item) => &item.attrs[..],
            Item::Use(item) => &item.attrs[..],
            Item::Fn(item) => &item.attrs[..],
            Item::Impl(item) => &item.attrs[..],
            _ => &[],
        };
        if !is_test(attributes) {
            self.found.has_code |= !matches!(item, Item::Mod(_) | Item::Use(_));
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.read_use(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Names = path.segments.iter().map(|part| part.ident.to_string()).collect();
        if names.len() > 1 {
            self.mention(&names);
        }
        visit::visit_path(self, path);
    }

    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {}

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        self.read_tokens(called.tokens.clone());
    }
}
