using System.Text;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.EndToEnd;

/// <summary>
/// Files that were made to hurt whoever reads them: each gets an error in bounded time, never a crash, a stack trace or a flood of lines.
/// </summary>
public sealed class HostileConfigurationTests
{
    public static TheoryData<string> Attacks =>
        new("ten megabytes", "deep flow", "deep blocks", "deep sequences", "aliases that multiply", "aliases that nest", "duplicate keys", "invalid UTF-8", "NUL bytes", "a recursive alias", "noise",
            "an endless scalar", "many documents", "wide");

    private static byte[] Made(string attack) => attack switch
    {
        "ten megabytes" => Encoding.UTF8.GetBytes("server:\n" + string.Concat(Enumerable.Repeat("  # filler filler filler filler\n", 330_000))),
        "deep flow" => Encoding.UTF8.GetBytes("server: " + new string('[', 100_000)),
        "deep sequences" => Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("- ", 100_000)) + "x"),
        "deep blocks" => Encoding.UTF8.GetBytes(string.Concat(Enumerable.Range(0, 2_500).Select(i => new string(' ', i) + "a:\n"))),
        "aliases that multiply" => Encoding.UTF8.GetBytes(
            "x-0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n"
            + string.Concat(Enumerable.Range(1, 20).Select(i => $"x-{i}: &a{i} [{string.Join(", ", Enumerable.Repeat($"*a{i - 1}", 10))}]\n"))),
        "aliases that nest" => Encoding.UTF8.GetBytes(
            "x-0: &a0 {}\n" + string.Concat(Enumerable.Range(1, 50_000).Select(i => $"x-{i}: &a{i} [*a{i - 1}]\n"))),
        "duplicate keys" => Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("server: 1\n", 300_000))),
        "invalid UTF-8" => [.. "server:\n  proxies: \""u8, 0xFF, 0xFE, 0xC0, 0x80, .. "\"\n"u8],
        "NUL bytes" => [.. "server:\n  proxies: "u8, 0, 0, 0, .. "\n"u8],
        "a recursive alias" => "server: &s { proxies: [ *s, *s ] }\n"u8.ToArray(),
        "noise" => SocketWords.Noise(1_000_000),
        "an endless scalar" => Encoding.UTF8.GetBytes("server: \"" + new string('x', 3_000_000)),
        "many documents" => Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("---\na: b\n", 100_000))),
        _ => Encoding.UTF8.GetBytes("server: [" + string.Concat(Enumerable.Repeat("1,", 1_500_000)) + "]"),
    };

    [Theory]
    [MemberData(nameof(Attacks))]
    public async Task A_hostile_file_gets_an_error_in_bounded_time(string attack)
    {
        string path = Path.GetTempFileName();
        try
        {
            await File.WriteAllBytesAsync(path, Made(attack));
            (int status, _, string errors) = await ChildProcess.RunAsync(Repository.Binary, ["check", "--config", path], patience: TimeSpan.FromSeconds(20));
            Assert.Equal(2, status);
            Assert.NotEmpty(errors.Trim());
            Assert.DoesNotContain("   at ", errors, StringComparison.Ordinal);
            Assert.DoesNotContain("\0", errors, StringComparison.Ordinal);
            Assert.True(errors.Length < 100_000, $"{errors.Length} characters of errors");
            Assert.True(errors.Split('\n').Length <= 103, "at most a hundred errors, and the number of the rest");
        }
        finally
        {
            File.Delete(path);
        }
    }
}
