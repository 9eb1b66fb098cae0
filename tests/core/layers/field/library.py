"""Models as `transformers` draws them, small, with random weights: nothing is asked of any network.

The library is a judge from outside: neither the architectures nor their draws are ours.
"""

# ruff: noqa: E501

import os
from collections.abc import Callable

import torch

from tests.core.layers.field.case import Case

os.environ.setdefault("HF_HUB_OFFLINE", "1")
WORDS = 100  # of a vocabulary
SMALL = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 64}
GROUPED = {**SMALL, "vocab_size": WORDS, "num_key_value_heads": 2}
BLOCKS = {"hidden_sizes": [8, 16, 32, 32], "depths": [1, 1, 2, 1]}
EARS = {**SMALL, "vocab_size": 30, "conv_dim": (16, 16, 16), "conv_stride": (5, 4, 4), "conv_kernel": (10, 8, 8),
        "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2, "mask_time_prob": 0.0, "layerdrop": 0.0}  # fmt: skip


def words(count: int = 4) -> torch.Tensor:
    return torch.randint(2, 90, (count, 16))


def next_word() -> dict:
    tokens = words()
    return {"input_ids": tokens, "labels": tokens}


def masked_word() -> dict:
    tokens = words()
    return {"input_ids": tokens, "labels": tokens.masked_fill(torch.rand(tokens.shape) > 0.2, -100)}


def sentence() -> dict:
    return {"input_ids": words(), "labels": torch.randint(0, 2, (4,))}


def word_by_word() -> dict:
    return {"input_ids": words(), "labels": torch.randint(0, 2, (4, 16))}


def picture(side: int = 32) -> dict:
    return {"pixel_values": torch.randn(4, 3, side, side), "labels": torch.randint(0, 2, (4,))}


def picture_and_words() -> dict:
    return {"input_ids": words(), "pixel_values": torch.randn(4, 3, 32, 32), "return_loss": True}


def sound() -> dict:
    return {"input_values": torch.randn(2, 8000), "labels": torch.randint(1, 30, (2, 10))}


def spectrum() -> dict:
    return {"input_features": torch.randn(2, 20, 100), "labels": words(2)}


def loudness() -> dict:
    return {"input_values": torch.randn(2, 128, 32), "labels": torch.randint(0, 2, (2,))}


def heard() -> dict:
    return {"input_features": torch.randn(2, 100, 20), "labels": words(2)}


def own_loss(output, targets):
    return output.loss


def case(name: str, kind: str, batch: Callable[[], dict], **settings: object) -> Case:
    """A model of `transformers`, by the name of its class, whose configuration's is found by the library."""

    def make() -> tuple:
        import transformers  # late: seconds, which only these cases should cost

        transformers.logging.set_verbosity_error()
        model = getattr(transformers, kind)
        config = model.config_class(**settings)
        return model(config), batch(), None, own_loss

    return Case(name, f"transformers.{kind}", make)


LIBRARY = (
    case("GPT-2", "GPT2LMHeadModel", next_word, vocab_size=WORDS, n_embd=32, n_layer=4, n_head=4, n_positions=32, bos_token_id=1, eos_token_id=1),
    case("GPT-NeoX", "GPTNeoXForCausalLM", next_word, **SMALL, vocab_size=WORDS),
    case("OPT", "OPTForCausalLM", next_word, vocab_size=WORDS, hidden_size=32, num_hidden_layers=4, num_attention_heads=4, ffn_dim=64, word_embed_proj_dim=32, max_position_embeddings=40),
    case("BLOOM", "BloomForCausalLM", next_word, vocab_size=WORDS, hidden_size=32, n_layer=4, n_head=4),
    case("LLaMA", "LlamaForCausalLM", next_word, **SMALL, vocab_size=WORDS),
    case("Mistral", "MistralForCausalLM", next_word, **GROUPED),
    case("Mixtral", "MixtralForCausalLM", next_word, **GROUPED, num_local_experts=4),
    case("Qwen2", "Qwen2ForCausalLM", next_word, **GROUPED),
    case("Gemma", "GemmaForCausalLM", next_word, **GROUPED, head_dim=8),
    case("Mamba", "MambaForCausalLM", next_word, vocab_size=WORDS, hidden_size=32, num_hidden_layers=4, state_size=8),
    case("BERT", "BertForMaskedLM", masked_word, **SMALL, vocab_size=WORDS),
    case("RoBERTa", "RobertaForSequenceClassification", sentence, **SMALL, vocab_size=WORDS, max_position_embeddings=40),
    case("DistilBERT", "DistilBertForTokenClassification", word_by_word, vocab_size=WORDS, dim=32, n_layers=4, n_heads=4, hidden_dim=64),
    case("ALBERT", "AlbertForMaskedLM", masked_word, **SMALL, vocab_size=WORDS, embedding_size=16),
    case("ELECTRA", "ElectraForSequenceClassification", sentence, **SMALL, vocab_size=WORDS, embedding_size=16),
    case("DeBERTa", "DebertaV2ForSequenceClassification", sentence, **SMALL, vocab_size=WORDS, relative_attention=True, pos_att_type=["p2c", "c2p"], max_relative_positions=16),
    case("T5", "T5ForConditionalGeneration", next_word, vocab_size=WORDS, d_model=32, d_kv=8, d_ff=64, num_layers=3, num_heads=4, decoder_start_token_id=0),
    case("BART", "BartForConditionalGeneration", next_word, vocab_size=WORDS, d_model=32, encoder_layers=3, decoder_layers=3, encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64, max_position_embeddings=40),
    case("ViT of the library", "ViTForImageClassification", picture, **SMALL, image_size=32, patch_size=8),
    case("DeiT", "DeiTForImageClassification", picture, **SMALL, image_size=32, patch_size=8),
    case("BEiT", "BeitForImageClassification", picture, **SMALL, image_size=32, patch_size=8),
    case("Swin of the library", "SwinForImageClassification", picture, image_size=32, patch_size=4, embed_dim=16, depths=[2, 2], num_heads=[2, 4], window_size=4),
    case("ConvNeXt of the library", "ConvNextForImageClassification", lambda: picture(64), **BLOCKS),
    case("SegFormer", "SegformerForImageClassification", lambda: picture(64), hidden_sizes=[8, 16, 32, 32], depths=[1, 1, 1, 1], num_attention_heads=[1, 2, 4, 4], decoder_hidden_size=16),
    case("CLIP of the library", "CLIPModel", picture_and_words, text_config={**SMALL, "vocab_size": WORDS, "eos_token_id": 2, "bos_token_id": 1, "max_position_embeddings": 32}, vision_config={**SMALL, "image_size": 32, "patch_size": 8}, projection_dim=16),
    case("Wav2Vec2", "Wav2Vec2ForCTC", sound, **EARS),
    case("HuBERT", "HubertForCTC", sound, **EARS),
    case("Whisper", "WhisperForConditionalGeneration", spectrum, vocab_size=WORDS, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64, num_mel_bins=20, max_source_positions=50, max_target_positions=32, pad_token_id=0, bos_token_id=1, eos_token_id=1, decoder_start_token_id=1, suppress_tokens=None, begin_suppress_tokens=None),
)  # fmt: skip

# Tried after the verdicts had been mended on those above.
ENCODER_DECODER = {"encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64}  # fmt: skip
MORE = (
    case("Falcon", "FalconForCausalLM", next_word, vocab_size=WORDS, hidden_size=32, num_hidden_layers=4, num_attention_heads=4),
    case("GPT-J", "GPTJForCausalLM", next_word, vocab_size=WORDS, n_embd=32, n_layer=4, n_head=4, n_positions=32, rotary_dim=4),
    case("GPT-Neo", "GPTNeoForCausalLM", next_word, vocab_size=WORDS, hidden_size=32, num_layers=4, num_heads=4, attention_types=[[["global", "local"], 2]], max_position_embeddings=32),
    case("Phi", "PhiForCausalLM", next_word, **SMALL, vocab_size=WORDS),
    case("StableLM", "StableLmForCausalLM", next_word, **SMALL, vocab_size=WORDS, num_key_value_heads=4),
    case("MPT", "MptForCausalLM", next_word, vocab_size=WORDS, d_model=32, n_layers=4, n_heads=4, max_seq_len=32),
    case("OLMo", "OlmoForCausalLM", next_word, **GROUPED),
    case("Cohere", "CohereForCausalLM", next_word, **GROUPED),
    case("Gemma2", "Gemma2ForCausalLM", next_word, **GROUPED, head_dim=8),
    case("Mamba2", "Mamba2ForCausalLM", next_word, vocab_size=WORDS, hidden_size=32, num_hidden_layers=3, num_heads=8, head_dim=8, n_groups=2, state_size=8, chunk_size=8),
    case("XLNet", "XLNetForSequenceClassification", sentence, vocab_size=WORDS, d_model=32, n_layer=4, n_head=4, d_inner=64),
    case("FNet", "FNetForSequenceClassification", sentence, vocab_size=WORDS, hidden_size=32, num_hidden_layers=4, intermediate_size=64),
    case("MPNet", "MPNetForMaskedLM", masked_word, **SMALL, vocab_size=WORDS),
    case("SqueezeBERT", "SqueezeBertForSequenceClassification", sentence, **SMALL, vocab_size=WORDS, embedding_size=32, q_groups=2, k_groups=2, v_groups=2, post_attention_groups=2, intermediate_groups=2, output_groups=2),
    case("MobileBERT", "MobileBertForMaskedLM", masked_word, **SMALL, vocab_size=WORDS, embedding_size=32, intra_bottleneck_size=16, true_hidden_size=16),
    case("CTRL", "CTRLLMHeadModel", next_word, vocab_size=WORDS, n_embd=32, n_layer=3, n_head=4, dff=64, n_positions=32),
    case("Pegasus", "PegasusForConditionalGeneration", next_word, vocab_size=WORDS, d_model=32, max_position_embeddings=40, **ENCODER_DECODER),
    case("mBART", "MBartForConditionalGeneration", next_word, vocab_size=WORDS, d_model=32, max_position_embeddings=40, **ENCODER_DECODER),
    case("M2M100", "M2M100ForConditionalGeneration", next_word, vocab_size=WORDS, d_model=32, max_position_embeddings=40, decoder_start_token_id=2, encoder_layerdrop=0.0, decoder_layerdrop=0.0, **ENCODER_DECODER),
    case("UMT5", "UMT5ForConditionalGeneration", next_word, vocab_size=WORDS, d_model=32, d_kv=8, d_ff=64, num_layers=3, num_heads=4, decoder_start_token_id=0),
    case("Switch", "SwitchTransformersForConditionalGeneration", next_word, vocab_size=WORDS, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, num_experts=4, decoder_start_token_id=0),
    case("ResNet", "ResNetForImageClassification", lambda: picture(64), embedding_size=8, hidden_sizes=[16, 32, 32, 64], depths=[1, 1, 2, 1], layer_type="bottleneck"),
    case("RegNet", "RegNetForImageClassification", lambda: picture(64), embedding_size=8, hidden_sizes=[16, 32, 32, 64], depths=[1, 1, 2, 1], groups_width=8),
    case("MobileNetV2 of the library", "MobileNetV2ForImageClassification", lambda: picture(64), depth_multiplier=0.25),
    case("PoolFormer", "PoolFormerForImageClassification", lambda: picture(64), hidden_sizes=[8, 16, 32, 32], depths=[1, 1, 2, 1]),
    case("PVT", "PvtForImageClassification", lambda: picture(64), image_size=64, hidden_sizes=[8, 16, 32, 32], depths=[1, 1, 1, 1], num_attention_heads=[1, 2, 4, 4]),
    case("LeViT", "LevitForImageClassification", lambda: picture(128), image_size=128, hidden_sizes=[16, 32, 48], num_attention_heads=[2, 4, 4], depths=[1, 1, 1], key_dim=[8, 8, 8]),
    case("DINOv2", "Dinov2ForImageClassification", picture, hidden_size=32, num_hidden_layers=4, num_attention_heads=4, image_size=32, patch_size=8),
    case("Swinv2", "Swinv2ForImageClassification", picture, image_size=32, patch_size=4, embed_dim=16, depths=[2, 2], num_heads=[2, 4], window_size=4),
    case("FocalNet", "FocalNetForImageClassification", picture, image_size=32, patch_size=4, embed_dim=16, depths=[2, 2], focal_levels=[2, 2], focal_windows=[3, 3]),
    case("MobileViT", "MobileViTForImageClassification", lambda: picture(128), image_size=128, hidden_sizes=[16, 24, 32], neck_hidden_sizes=[8, 8, 16, 16, 24, 32, 64]),
    case("AST", "ASTForAudioClassification", loudness, **SMALL, max_length=128, num_mel_bins=32, patch_size=8, time_stride=8, frequency_stride=8),
    case("UniSpeech", "UniSpeechForCTC", sound, **EARS),
    case("WavLM", "WavLMForCTC", sound, **EARS),
    case("SEW", "SEWForCTC", sound, **EARS, squeeze_factor=2),
    case("Data2Vec", "Data2VecAudioForCTC", sound, **{**EARS, "num_conv_pos_embeddings": 3}, conv_pos_kernel_size=5),
    case("Speech2Text", "Speech2TextForConditionalGeneration", heard, vocab_size=WORDS, d_model=32, input_feat_per_channel=20, input_channels=1, conv_channels=32, max_source_positions=100, max_target_positions=40, decoder_start_token_id=2, **ENCODER_DECODER),
    case("SigLIP", "SiglipModel", picture_and_words, text_config={**SMALL, "vocab_size": WORDS, "max_position_embeddings": 16}, vision_config={**SMALL, "image_size": 32, "patch_size": 8}),
)  # fmt: skip
