"""Pytrees: nested containers of arrays, taken apart, mapped and put together again.

Lists, tuples, dicts, NamedTuples, OrderedDicts, defaultdicts, None and registered classes are containers;
everything else is a leaf. Leaves come in a canonical order, which for dicts is that of the sorted keys.
"""

from fgrad.tree.functions import (
    all_leaves,
    broadcast_prefix,
    flatten_axes,
    treedef_children,
    treedef_is_leaf,
    treedef_tuple,
)
from fgrad.tree.functions import tree_all as all  # noqa: A004
from fgrad.tree.functions import tree_broadcast as broadcast
from fgrad.tree.functions import tree_leaves as leaves
from fgrad.tree.functions import tree_leaves_with_path as leaves_with_path
from fgrad.tree.functions import tree_map as map  # noqa: A004
from fgrad.tree.functions import tree_map_with_path as map_with_path
from fgrad.tree.functions import tree_reduce as reduce
from fgrad.tree.functions import tree_reduce_associative as reduce_associative
from fgrad.tree.functions import tree_structure as structure
from fgrad.tree.functions import tree_transpose as transpose
from fgrad.tree.functions import tree_unflatten as unflatten
from fgrad.tree.keys import (
    DictKey,
    FlattenedIndexKey,
    GetAttrKey,
    KeyEntry,
    KeyPath,
    SequenceKey,
    keystr,
)
from fgrad.tree.partial import Partial
from fgrad.tree.registration import (
    register_dataclass,
    register_pytree_node,
    register_pytree_node_class,
    register_pytree_with_keys,
    register_pytree_with_keys_class,
    register_static,
    static,
)
from fgrad.tree.treedef import PyTreeDef, difference, flatten, flatten_with_path

__all__ = [
    "DictKey",
    "FlattenedIndexKey",
    "GetAttrKey",
    "KeyEntry",
    "KeyPath",
    "Partial",
    "PyTreeDef",
    "SequenceKey",
    "all",
    "all_leaves",
    "broadcast",
    "broadcast_prefix",
    "difference",
    "flatten",
    "flatten_axes",
    "flatten_with_path",
    "keystr",
    "leaves",
    "leaves_with_path",
    "map",
    "map_with_path",
    "reduce",
    "reduce_associative",
    "register_dataclass",
    "register_pytree_node",
    "register_pytree_node_class",
    "register_pytree_with_keys",
    "register_pytree_with_keys_class",
    "register_static",
    "static",
    "structure",
    "transpose",
    "treedef_children",
    "treedef_is_leaf",
    "treedef_tuple",
    "unflatten",
]
