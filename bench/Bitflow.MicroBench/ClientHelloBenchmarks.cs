using BenchmarkDotNet.Attributes;
using Bitflow.Domain;

namespace Bitflow.MicroBench;

/// <summary>Reading a client's first message: a browser's, a small one, and one that is not all there yet.</summary>
[MemoryDiagnoser]
public class ClientHelloBenchmarks
{
    private readonly byte[] _browser = Hello("chromium");
    private readonly byte[] _curl = Hello("curl-h2");

    [GlobalSetup]
    public void Check()
    {
        Answer.MustHold(Browser(), "the browser's hello is not understood");
        Answer.MustHold(Curl(), "curl's hello is not understood");
        Answer.MustHold(HalfOfTheBrowsers(), "half a hello is not half a hello");
    }

    [Benchmark]
    public bool Browser() => ClientHelloModule.Parse(_browser).IsDone;

    [Benchmark]
    public bool Curl() => ClientHelloModule.Parse(_curl).IsDone;

    [Benchmark]
    public bool HalfOfTheBrowsers() => ClientHelloModule.Parse(_browser.AsSpan(0, _browser.Length / 2)).IsNeedMore;

    private static byte[] Hello(string name) =>
        Convert.FromHexString(string.Concat(
            File.ReadLines(Path.Combine(AppContext.BaseDirectory, "hellos", name + ".hex"))
                .Where(line => !line.StartsWith('#'))
                .Select(line => line.Trim())));
}
