"""Layers: pure functions over their parameters, which are NamedTuples, and functions that initialise these."""

from fgrad.nn.layers.attention import AttentionParams, init_attention, multi_head_attention
from fgrad.nn.layers.convolution import ConvolutionParams, convolution, init_convolution, transposed_convolution
from fgrad.nn.layers.dense import DenseParams, EmbeddingParams, dense, embedding, init_dense, init_embedding
from fgrad.nn.layers.dropout import dropout
from fgrad.nn.layers.norms import (
    BatchNormState,
    NormParams,
    batch_norm,
    group_norm,
    init_batch_norm,
    init_norm,
    layer_norm,
    rms_norm,
)
from fgrad.nn.layers.pooling import avg_pool, max_pool

__all__ = [
    "AttentionParams",
    "BatchNormState",
    "ConvolutionParams",
    "DenseParams",
    "EmbeddingParams",
    "NormParams",
    "avg_pool",
    "batch_norm",
    "convolution",
    "dense",
    "dropout",
    "embedding",
    "group_norm",
    "init_attention",
    "init_batch_norm",
    "init_convolution",
    "init_dense",
    "init_embedding",
    "init_norm",
    "layer_norm",
    "max_pool",
    "multi_head_attention",
    "rms_norm",
    "transposed_convolution",
]
