using BenchmarkDotNet.Attributes;
using Bitflow.Domain;
using Microsoft.FSharp.Core;

namespace Bitflow.MicroBench;

/// <summary>Whom to try, and in which order: every policy over 16 targets.</summary>
[MemoryDiagnoser]
public class BalancerBenchmarks
{
    private const int Targets = 16;

    private readonly NameTable _names = new([.. Enumerable.Range(0, Targets - 1).Select(i => $"t{i}.example.org"), "*.wild.example.org"]);
    private readonly FSharpValueOption<ServerName> _exact = Name("T7.example.org");
    private readonly FSharpValueOption<ServerName> _wild = Name("any.wild.example.org");
    private long _ticket;

    [GlobalSetup]
    public void Check()
    {
        Answer.MustHold(Failover() == 0, "failover begins with the first");
        Answer.MustHold(ByExactName() == 7 && ByWildcard() == Targets - 1, "a server name leads elsewhere");
    }

    [Benchmark]
    public int Failover() => Balancer.order(Policy.Failover, _names, Targets, 0, default)[0];

    [Benchmark]
    public int RoundRobin() => Balancer.order(Policy.RoundRobin, _names, Targets, _ticket++, default)[0];

    [Benchmark]
    public int ByExactName() => Balancer.order(Policy.Sni, _names, Targets, 0, _exact)[0];

    [Benchmark]
    public int ByWildcard() => Balancer.order(Policy.Sni, _names, Targets, 0, _wild)[0];

    private static FSharpValueOption<ServerName> Name(string text) =>
        FSharpValueOption<ServerName>.NewValueSome(ServerNameModule.TryCreate(text).ResultValue);
}
