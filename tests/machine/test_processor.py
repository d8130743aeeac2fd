"""What Linux says of a processor: which instructions are there, in what all cores have; and any other text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from efficientnet_lite.machine.processor import ARM, INTEGER, MOST_NAME, X86, processor_of

ZEN5 = """processor\t: 0
model name\t: AMD EPYC
flags\t\t: fpu sse2 avx2 avx512f avx_vnni avx512_vnni
bugs\t\t: sysret_ss_attrs

processor\t: 1
model name\t: AMD EPYC
flags\t\t: fpu sse2 avx2 avx512f avx_vnni avx512_vnni
"""
HASWELL = "model name\t: Intel(R) Core(TM) i7-4770   CPU @ 3.40GHz\nflags\t\t: fpu sse2 avx2 fma f16c\n"
SAPPHIRE_RAPIDS = "model name: x\nflags: avx2 avx512f avx512_vnni avx_vnni amx_bf16 amx_tile amx_int8\n"
PI5 = """processor\t: 0
Features\t: fp asimd evtstrm aes crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp
CPU implementer\t: 0x41

Model\t\t: Raspberry Pi 5 Model B Rev 1.0
"""
BIG_AND_LITTLE = "Features\t: fp asimd asimddp i8mm sve\n\nFeatures\t: fp asimd asimddp\n"
PI2 = "model name\t: ARMv7 Processor rev 5 (v7l)\nFeatures\t: half thumb neon vfpv4\n"


@pytest.mark.parametrize(
    ("text", "name", "there", "integer"),
    [
        (ZEN5, "AMD EPYC", ("AVX2", "AVX-512", "AVX-512 VNNI", "AVX-VNNI"), True),
        (HASWELL, "Intel(R) Core(TM) i7-4770 CPU @ 3.40GHz", ("AVX2",), False),
        (SAPPHIRE_RAPIDS, "x", ("AVX2", "AVX-512", "AVX-512 VNNI", "AVX-VNNI", "AMX int8"), True),
        (PI5, "Raspberry Pi 5 Model B Rev 1.0", ("NEON", "dot product"), True),
        (BIG_AND_LITTLE, "", ("NEON", "dot product"), True),
        (PI2, "ARMv7 Processor rev 5 (v7l)", ("NEON",), False),
    ],
)
def test_instructions_that_all_cores_have_are_named(text, name, there, integer):
    found = processor_of(text)

    assert (found.name, found.instructions) == (name, there)
    assert found.has_integer_instructions is integer
    family = X86 if "flags" in text else ARM
    assert {*found.instructions, *found.absent} == set(family)


@pytest.mark.parametrize("text", ["", "isa\t\t: rv64imafdcv\nmmu: sv39\n", "flags\n", "flags :   \n"])
def test_where_nothing_is_said_nothing_is_known(text):
    assert processor_of(text).instructions is None
    assert processor_of(text).has_integer_instructions is None


def test_what_counts_for_int8_is_of_the_tables():
    assert {*X86, *ARM} > INTEGER


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.sampled_from(["flags: avx2", "Features: neon", "model name", "\n", ": ", "\x1b[31m", "\0"])
        | st.text(max_size=40)
    )
)
def test_any_text_gives_a_processor_that_can_be_shown(parts):
    found = processor_of("".join(parts))

    assert found.name.isprintable()
    assert len(found.name) <= MOST_NAME


def test_a_name_of_a_megabyte_is_cut():
    assert len(processor_of("model name: " + "x" * 2**20).name) <= MOST_NAME
