using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.EndToEnd;

/// <summary>A method that is compiled at a start costs far more than the compiler's own time: what is ours is precompiled, and what the platform's own list names, and stays so (decision 10).</summary>
public sealed class CompiledAtStartTests
{
    /// <summary>Those that it takes anyway: the log's, and two of a dictionary.</summary>
    private const int AllowedOfOurs = 12;

    /// <summary>Some sixty, half of them the log's. A hundred more are there where the platform's list of what the runtime alone calls is not precompiled by.</summary>
    private const int AllowedInAll = 90;

    private static readonly IssuedCertificate Server = TestAuthority.Trusted.Issue("server.example", moreNames: 2);
    private static readonly IssuedCertificate Second = TestAuthority.Trusted.Issue("server.example", rsa: true, moreNames: 2);

    [Fact]
    public async Task Hardly_a_method_is_compiled_until_listeners_are_there()
    {
        string file = Path.Combine(Directory.CreateTempSubdirectory("bitflow-compiled-").FullName, "methods");
        var environment = new Dictionary<string, string> { ["DOTNET_JitStdOutFile"] = file, ["DOTNET_JitDisasmSummary"] = "1" };
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            $$"""
            - name: web
              listener: { address: '127.0.0.1:0', tls_context: { certificates: [ {{Server.Entry}}, {{Second.Entry}} ] } }
              targets: [ { name: server.example, address: '127.0.0.1:9' }, { name: '*.example', address: '127.0.0.1:9' } ]
              options: { connection_load_balancer: sni }

            """,
            environment: environment);

        // What is hot is compiled anew, which is no fault.
        string[] compiled = [.. File.ReadLines(file).Where(static line => !line.Contains("Tier1", StringComparison.Ordinal))];
        Assert.NotEmpty(compiled);
        string[] ours = [.. compiled.Where(static line => line.Contains("Bitflow.", StringComparison.Ordinal) || line.Contains("Microsoft.FSharp.", StringComparison.Ordinal))];
        Assert.True(ours.Length <= AllowedOfOurs, $"{ours.Length} were:\n{string.Join('\n', ours)}");
        Assert.True(compiled.Length <= AllowedInAll, $"{compiled.Length} were:\n{string.Join('\n', compiled)}");
    }
}
