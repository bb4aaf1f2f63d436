using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;

namespace Bitflow.MicroBench;

/// <summary>
/// What the core's decisions cost: nanoseconds and bytes allocated. Every benchmark checks its answer before it is timed.
/// <c>--filter '*Hello*'</c> chooses; <c>--job Dry</c> runs each once.
/// </summary>
internal static class Program
{
    private static void Main(string[] arguments) =>
        BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(
            arguments.Length > 0 ? arguments : ["--filter", "*"],
            // In this process: the repository's own build rules would hold for a generated project too.
            DefaultConfig.Instance.AddJob(Job.Default.WithToolchain(InProcessEmitToolchain.Instance)));
}
