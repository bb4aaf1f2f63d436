using System.Net;
using BenchmarkDotNet.Attributes;
using Bitflow.Domain;
using Microsoft.FSharp.Collections;

namespace Bitflow.MicroBench;

/// <summary>Whether a source is among 10,000 authorised networks, beside one alone.</summary>
[MemoryDiagnoser]
public class NetworkBenchmarks
{
    private IpNetworkSet _set = IpNetworkSet.Empty;
    private readonly IPAddress _inside = IPAddress.Parse("10.19.136.77");
    private readonly IPAddress _outside = IPAddress.Parse("192.0.2.1");

    [Params(1, 10_000)]
    public int Networks { get; set; }

    [GlobalSetup]
    public void Fill()
    {
        // Every second /24 of 10.0.0.0/8, so that they do not melt into one range; the first holds the address that is looked for.
        _set = new IpNetworkSet(ListModule.OfSeq(Enumerable.Range(0, Networks).Select(i =>
        {
            int number = i == 0 ? (19 << 8) | 136 : i * 2;
            return IpNetworkModule.create(new IPAddress([10, (byte)(number >> 8), (byte)number, 0]), 24).Item1;
        })));
        Answer.MustHold(Inside() && !Outside(), "the set holds what it should not, or lacks what it should hold");
    }

    [Benchmark]
    public bool Inside() => _set.Contains(_inside);

    [Benchmark]
    public bool Outside() => _set.Contains(_outside);
}
