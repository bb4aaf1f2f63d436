using BenchmarkDotNet.Attributes;
using Bitflow.Domain;

namespace Bitflow.MicroBench;

/// <summary>Reading a PROXY header in both versions.</summary>
[MemoryDiagnoser]
public class ProxyHeaderBenchmarks
{
    private readonly byte[] _text = [.. "PROXY TCP4 192.0.2.10 198.51.100.20 51324 443\r\n"u8, .. "GET / HTTP/1.1\r\n"u8];
    private readonly byte[] _text6 = [.. "PROXY TCP6 2001:db8::10 2001:db8::20 51324 443\r\n"u8];

    private readonly byte[] _binary =
    [
        0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A,
        0x21, 0x11, 0x00, 0x0C, 192, 0, 2, 10, 198, 51, 100, 20, 0xC8, 0x7C, 0x01, 0xBB,
    ];

    [GlobalSetup]
    public void Check() => Answer.MustHold(Version1() && Version1Over6() && Version2(), "a header is not understood");

    [Benchmark]
    public bool Version1() => ProxyHeaderCodec.Parse(_text).IsDone;

    [Benchmark]
    public bool Version1Over6() => ProxyHeaderCodec.Parse(_text6).IsDone;

    [Benchmark]
    public bool Version2() => ProxyHeaderCodec.Parse(_binary).IsDone;
}
