using System.Text;
using Bitflow.Domain;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.EndToEnd;

/// <summary>
/// Two readings of one hello are a way around every rule that hangs on its name. Over real hellos, cut in every way, and mutations of
/// them: the name and protocol that we read are those that OpenSSL sees, or one of us refuses. Never do we see A and the peer B.
/// </summary>
public sealed class HelloDifferentialTests
{
    private const int Mutations = 150;

    [Fact]
    public async Task The_name_and_protocol_that_we_read_are_those_that_OpenSSL_sees_or_the_hello_is_refused()
    {
        IssuedCertificate certificate = TestAuthority.Trusted.Issue("server.example");
        List<byte[]> hellos = [.. Hellos()];
        var lines = new StringBuilder();
        foreach (byte[] hello in hellos)
            lines.Append(Convert.ToHexString(hello)).Append(' ').AppendLine(Protocol(hello) ?? "-");
        (int status, string output, string errors) = await ChildProcess.RunAsync(
            "python3", [Path.Combine(Repository.Root, "tests/Fixtures/hello_as_openssl_sees_it.py"), certificate.File, certificate.Key], lines.ToString(), patience: TimeSpan.FromMinutes(3));
        Assert.True(status == 0, errors);
        string[] answers = output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(hellos.Count, answers.Length);
        int agreed = 0, refused = 0;
        for (int i = 0; i < hellos.Count; i++)
        {
            string[] theirs = answers[i].Split('\t');
            if (theirs[0] is not ("-" or "?"))
                theirs[0] = Encoding.UTF8.GetString(Convert.FromHexString(theirs[0]));
            string what = $"{Convert.ToHexString(hellos[i])}: OpenSSL says {string.Join(", ", theirs)}";
            switch (ClientHelloModule.Parse(hellos[i]))
            {
                case Parse<ClientHello, HelloFault>.Done ours when theirs[2] == "goes on":
                    string name = ours.value.ServerName.IsSome ? ours.value.ServerName.Value.Text : "-";
                    Assert.True(name == OneForm(theirs[0]), $"we read {name}; {what}");
                    if (theirs[1] != "-")
                        Assert.True(theirs[1] == ours.value.ApplicationProtocols[0].ToString(), what);
                    agreed++;
                    break;
                case Parse<ClientHello, HelloFault>.Done ours:
                    // OpenSSL refuses more than names: no cipher in common, for one. What it saw before must still be what we saw.
                    Assert.True(theirs[0] == "?" || OneForm(theirs[0]) == (ours.value.ServerName.IsSome ? ours.value.ServerName.Value.Text : "-"), what);
                    Assert.True(theirs[2] == "refused", what);
                    break;
                case Parse<ClientHello, HelloFault>.NeedMore:
                    Assert.True(theirs[2] != "goes on", $"we wait; {what}");
                    break;
                default:
                    refused++;
                    break;
            }
        }

        // Both must really have happened, often.
        Assert.InRange(agreed, hellos.Count / 20, hellos.Count);
        Assert.InRange(refused, hellos.Count / 20, hellos.Count);
    }

    private static string OneForm(string name) => ServerNameModule.TryCreate(name) is { IsOk: true } read ? read.ResultValue.Text : name;

    private static string? Protocol(byte[] hello) =>
        ClientHelloModule.Parse(hello) is Parse<ClientHello, HelloFault>.Done { value.ApplicationProtocols: { IsEmpty: false } protocols }
        && protocols.Head.ToString() is { Length: < 20 } first && first.All(char.IsAsciiLetterOrDigit)
            ? first
            : null;

    private static IEnumerable<byte[]> Hellos()
    {
        foreach (string file in Directory.GetFiles(Path.Combine(Repository.Root, "spec/hellos"), "*.hex").Order())
        {
            byte[] hello = [.. File.ReadAllLines(file).Where(l => l[0] != '#').SelectMany(Convert.FromHexString)];
            yield return hello;
            yield return hello[..^1];
            foreach (int size in new[] { 1, 3, 50 })
                yield return Recut(hello[5..], size);
            yield return [.. hello[..1], 3, 0, .. hello[3..]];
            yield return [.. hello[..1], 3, 255, .. hello[3..]];
            var random = new Random(hello.Length);
            for (int i = 0; i < Mutations; i++)
                yield return Mutated(hello, random);
        }
    }

    private static byte[] Recut(byte[] message, int size)
    {
        using var cut = new MemoryStream();
        foreach (byte[] fragment in message.Chunk(size))
        {
            cut.Write([22, 3, 1, 0, (byte)fragment.Length]);
            cut.Write(fragment);
        }

        return cut.ToArray();
    }

    /// <summary>Most changes near the server name, where they matter.</summary>
    private static byte[] Mutated(byte[] hello, Random random)
    {
        byte[] changed = [.. hello];
        int name = hello.AsSpan().IndexOf("example.com"u8) is >= 0 and int found ? found : hello.AsSpan().IndexOf("localhost"u8);
        for (int i = random.Next(1, 3); i > 0; i--)
        {
            int at = name >= 9 && random.Next(3) > 0 ? name - 9 + random.Next(24) : random.Next(hello.Length);
            at = Math.Min(at, hello.Length - 1);
            changed[at] = random.Next(3) switch
            {
                0 => (byte)random.Next(256),
                1 => (byte)(changed[at] + 1),
                _ => (byte)(changed[at] - 1),
            };
        }

        return changed;
    }
}
