using System.Globalization;
using Bitflow.Bench.Measures;
using Bitflow.Bench.Proxies;
using Bitflow.Bench.Report;

namespace Bitflow.Bench;

/// <summary>
/// <c>run</c> measures and reports, <c>smoke</c> does a hundredth of it and keeps nothing, <c>report</c> writes the report of what was
/// measured last. <c>WORKLOAD</c> and <c>CONTENDER</c> choose (comma lists), <c>ROUNDS</c> counts, <c>BITFLOW</c> names the program.
/// </summary>
internal static class Program
{
    private const int DefaultRounds = 5;

    public static int Main(string[] arguments)
    {
        try
        {
            string root = Root();
            switch (arguments)
            {
                case ["run"]:
                    return Run(root, Scale.Full(Rounds()), keep: true);
                case ["smoke"]:
                    return Run(root, Scale.Smoke, keep: false);
                case ["report"]:
                    Reports.Write(root);
                    return 0;
                default:
                    Console.Error.WriteLine("usage: Bitflow.Bench run | smoke | report");
                    return 2;
            }
        }
        catch (BenchException fault)
        {
            Console.Error.WriteLine(fault.Message);
            return 1;
        }
    }

    /// <summary>Measures; 1 where a contender that is there could not be measured.</summary>
    private static int Run(string root, Scale scale, bool keep)
    {
        IReadOnlyList<Workload> workloads = Workloads.Named(Environment.GetEnvironmentVariable("WORKLOAD"));
        IReadOnlyList<Contender> contenders = Present(root);
        string versions = Machine.Versions(contenders);
        using var arena = new Arena(Path.Combine(root, "bench", "peers"));
        double otherLoad = Machine.OtherLoad();
        bool whole = true;
        foreach (Workload workload in workloads)
        {
            Outcome outcome = Measure(workload, scale, arena, contenders) with { Versions = versions, OtherLoad = otherLoad };
            Console.WriteLine(Table.Detail(workload, outcome));
            whole &= outcome.Contenders.Values.All(samples => samples.Fault is null);
            if (keep)
                Results.Keep(root, outcome);
        }
        if (keep)
            Reports.Write(root);
        return whole ? 0 : 1;
    }

    private static Outcome Measure(Workload workload, Scale scale, Arena arena, IReadOnlyList<Contender> present)
    {
        Contender[] entered =
        [
            .. present.Where(each => each.Services.Contains(workload.Service)
                && (!each.OnlyBulk || workload is { Kind: Kind.Download or Kind.Upload, Tls: false })
                && (!each.OnlyShort || workload is { Kind: Kind.Requests or Kind.Hello, ConnectsEach: true, Tls: false })
                && (!each.IsObserved || workload is { Kind: Kind.Requests, Tls: false })),
        ];
        // Starting knows no other service; whoever serves TLS alone is started as that.
        if (workload.Kind == Kind.Start)
            entered = [.. present.Where(each => !each.OnlyBulk && !each.OnlyShort && !each.IsObserved)];
        var results = new Dictionary<string, Samples>();
        double pace = 0;
        switch (workload.Kind)
        {
            case Kind.Idle:
                new IdleMeasure(workload, scale, arena).Measure(entered, results);
                break;
            case Kind.Start:
                new StartMeasure(workload, scale, arena).Measure(entered, results);
                break;
            default:
                pace = new TrafficMeasure(workload, scale, arena).Measure(entered, results);
                break;
        }
        return new Outcome
        {
            Workload = workload.Name,
            Machine = Machine.Describe(),
            Versions = "",
            PerSecond = pace,
            Contenders = results,
        };
    }

    private static Contender[] Present(string root)
    {
        string program = Environment.GetEnvironmentVariable("BITFLOW") ?? Path.Combine(root, "bin", "bitflow-linux-x64");
        IEnumerable<Contender> all = Contenders.All(program, PackagedUnit.EnvironmentIn(root));
        if (Environment.GetEnvironmentVariable("CONTENDER") is { Length: > 0 } chosen)
            all = all.Where(each => chosen.Split([',', ' ']).Contains(each.Name));
        var present = new List<Contender>();
        foreach (Contender contender in all)
        {
            if (contender.Locate() is null)
                Console.Error.WriteLine($"{contender.Name} does not enter: {contender.Program} is not there");
            else
                present.Add(contender);
        }
        return [.. present];
    }

    private static int Rounds() =>
        Environment.GetEnvironmentVariable("ROUNDS") is { Length: > 0 } text
            ? int.TryParse(text, CultureInfo.InvariantCulture, out int rounds) && rounds > 0
                ? rounds
                : throw new BenchException($"ROUNDS: \"{text}\" is not a positive number")
            : DefaultRounds;

    /// <summary>The repository: the nearest directory above that has <c>bench/peers</c>.</summary>
    private static string Root()
    {
        foreach (string start in new[] { Environment.CurrentDirectory, AppContext.BaseDirectory })
        {
            for (var directory = new DirectoryInfo(start); directory is not null; directory = directory.Parent)
            {
                if (Directory.Exists(Path.Combine(directory.FullName, "bench", "peers")))
                    return directory.FullName;
            }
        }
        throw new BenchException("run this inside the repository: bench/peers is not to be found above here");
    }
}
