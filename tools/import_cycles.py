#!/usr/bin/env python3
"""Fails when modules of a crate import each other in a cycle.

    tools/import_cycles.py CRATE_FOLDER...

An import is any path that begins with `crate::`, `super::`, `self::`, a child module or an imported module, in a `use` or
in an expression. It counts for the deepest module that it names. Not counted: comments, strings, `#[cfg(test)]` (tests may
use the whole application), and what a module takes from the modules that it is a part of.
"""

import re
import sys
from itertools import repeat
from pathlib import Path

COMMENT_OR_STRING = re.compile(
    r'//[^\n]*|/\*.*?\*/|r(#*)".*?"\1|"(?:\\.|[^"\\])*"|\'(?:\\.[^\']*|[^\'\\])\'', re.DOTALL)
TEST_ITEM = re.compile(r'#\[cfg\(test\)\]\s*(?:pub(?:\([^)]*\))?\s+)?mod\s+(\w+)\s*([;{])')
CHILD = re.compile(r'^\s*(?:pub(?:\([^)]*\))?\s+)?mod\s+(\w+)\s*;', re.MULTILINE)
USE = re.compile(r'^\s*(?:pub(?:\([^)]*\))?\s+)?use\s+([^;]+);', re.MULTILINE)
PATH = re.compile(r'(?<![\w:.])[a-z_]\w*(?:::\w+)+')


def main(folders):
    cycles = [(folder, cycle) for folder in folders for cycle in cycles_in(imports(Path(folder) / 'src'))]
    for folder, cycle in cycles:
        print(f'error: {folder}: modules import each other in a cycle: {" -> ".join(cycle)}', file=sys.stderr)
    if cycles:
        sys.exit(1)
    print(f'no import cycle in {", ".join(folders)}')


def imports(source):
    """Module -> the modules that it imports. The crate's root is `crate`."""
    texts = {}
    root = source / 'lib.rs' if (source / 'lib.rs').exists() else source / 'main.rs'
    read_module(root, ('crate',), source, texts)
    known = set(texts)
    return {'::'.join(module): {'::'.join(target) for path in paths(text, module)
                                if (target := deepest(path, known)) and module[:len(target)] != target}
            for module, text in texts.items()}


def read_module(file, module, folder, texts):
    text = without_tests(COMMENT_OR_STRING.sub('', file.read_text()))
    texts[module] = text
    for name in CHILD.findall(text):
        below = folder / name
        child = below.with_suffix('.rs')
        read_module(child if child.exists() else below / 'mod.rs', (*module, name), below, texts)


def without_tests(text):
    while found := TEST_ITEM.search(text):
        end = found.end() if found[2] == ';' else closing(text, found.end())
        text = text[:found.start()] + text[end:]
    return text


def closing(text, start):
    depth = 1
    while depth:
        depth += {'{': 1, '}': -1}.get(text[start], 0)
        start += 1
    return start


def paths(text, module):
    """Every path in a module, from the crate's root."""
    names = {name: (*module, name) for name in CHILD.findall(text)}
    for tree in USE.findall(text):
        for path, alias in expand(re.sub(r'\s+', ' ', tree)):
            yield (path := absolute(path, module, names))
            if path:
                names[alias or path[-1]] = path
    for path in map(str.split, PATH.findall(text), repeat('::')):
        yield absolute(path, module, names)


def expand(tree):
    """`a::{b, c::{d as e}}` -> (a::b, None), (a::c::d, e). A name that is imported `self` is that of its module."""
    prefix, brace, rest = tree.strip().partition('{')
    path, _, alias = prefix.partition(' as ')
    head = [part.strip() for part in path.split('::') if part.strip()]
    if not brace:
        return [(head[:-1] if len(head) > 1 and head[-1] == 'self' else head, alias.strip() or None)]
    items, depth, item = [], 0, ''
    for character in rest[:rest.rindex('}')]:
        depth += {'{': 1, '}': -1}.get(character, 0)
        if character == ',' and depth == 0:
            items, item = [*items, item], ''
        else:
            item += character
    below = [found for one in [*items, item] if one.strip() for found in expand(one)]
    return [(head if path == ['self'] else head + path, alias) for path, alias in below]


def absolute(path, module, names):
    """From the crate's root; empty when it leads elsewhere."""
    if path[0] == 'crate':
        return tuple(path)
    if path[0] in names:
        return (*names[path[0]], *path[1:])
    if path[0] == 'self':
        return (*module, *path[1:])
    ups = len([part for part in path if part == 'super'])
    return (*module[:len(module) - ups], *path[ups:]) if ups and len(module) > ups else ()


def deepest(path, known):
    """The deepest module that a path names; the root itself does not count, it only declares."""
    return next((path[:end] for end in range(len(path), 1, -1) if path[:end] in known), None)


def cycles_in(graph):
    """A shortest cycle of each strongly connected part."""
    found, done = [], set()
    for start in sorted(graph):
        if start not in done and (cycle := shortest_way_back(graph, start)):
            found.append(cycle)
            done |= reachable(graph, start) & {node for node in graph if start in reachable(graph, node)}
    return found


def shortest_way_back(graph, start):
    ways, seen = [[start]], set()
    for way in ways:
        for target in sorted(graph[way[-1]]):
            if target == start:
                return [*way, start]
            if target not in seen:
                seen.add(target)
                ways.append([*way, target])
    return None


def reachable(graph, start):
    seen, open_ = set(), [start]
    while open_:
        for target in graph[open_.pop()]:
            if target not in seen:
                seen.add(target)
                open_.append(target)
    return seen


if __name__ == '__main__':
    main(sys.argv[1:])
