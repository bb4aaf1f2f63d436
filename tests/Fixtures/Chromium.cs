using System.Net.Http.Json;
using System.Net.WebSockets;
using System.Text.Json;

namespace Bitflow.Tests.Fixtures;

/// <summary>
/// A page in headless Chromium, steered and asked through its DevTools protocol, so that a test waits for what the page shows and presses keys as a
/// user does.
/// </summary>
internal sealed class Chromium : IAsyncDisposable
{
    private readonly ChildProcess _process;
    private readonly string _folder;
    private readonly ClientWebSocket _socket = new();
    private readonly Dictionary<int, TaskCompletionSource<JsonElement>> _calls = [];
    private readonly List<string> _requests = [];
    private readonly List<string> _complaints = [];
    private int _count;

    private Chromium(ChildProcess process, string folder)
    {
        _process = process;
        _folder = folder;
    }

    /// <summary>Every address that the page asked for.</summary>
    public IReadOnlyList<string> Requests => Copy(_requests);

    /// <summary>What the browser had to say against the page: uncaught errors, blocked content.</summary>
    public IReadOnlyList<string> Complaints => Copy(_complaints);

    public static async Task<Chromium> OpenAsync(string url, int width, int height)
    {
        string folder = Directory.CreateTempSubdirectory("bitflow-chromium-").FullName;
        // Root may not have a sandbox, and the page is our own.
        var process = new ChildProcess("chromium",
        [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
            "--remote-debugging-port=0", $"--user-data-dir={folder}", "about:blank",
        ]);
        var chromium = new Chromium(process, folder);
        try
        {
            await process.SaysAsync("DevTools listening on ws://");
            string browser = process.Errors.Split("DevTools listening on ws://")[1].Split('/')[0];
            using var http = new HttpClient();
            using HttpResponseMessage opened = await http.PutAsync(new Uri($"http://{browser}/json/new?about:blank"), null);
            JsonElement page = await opened.Content.ReadFromJsonAsync<JsonElement>();
            await chromium._socket.ConnectAsync(new Uri(page.GetProperty("webSocketDebuggerUrl").GetString()!), CancellationToken.None).Patiently();
            _ = chromium.ListenAsync();
            foreach (string domain in new[] { "Page", "Network", "Runtime", "Log" })
                await chromium.CallAsync($"{domain}.enable");
            await chromium.ResizeAsync(width, height);
            await chromium.CallAsync("Page.navigate", new { url });
            return chromium;
        }
        catch
        {
            await chromium.DisposeAsync();
            throw;
        }
    }

    public Task ResizeAsync(int width, int height) =>
        CallAsync("Emulation.setDeviceMetricsOverride", new { width, height, deviceScaleFactor = 1, mobile = width < 600 });

    public Task DarkenAsync() =>
        CallAsync("Emulation.setEmulatedMedia", new { features = new[] { new { name = "prefers-color-scheme", value = "dark" } } });

    /// <summary>The value of an expression, as text.</summary>
    public async Task<string> AskAsync(string expression)
    {
        JsonElement answer = await CallAsync("Runtime.evaluate", new { expression = $"String({expression})", returnByValue = true });
        return answer.GetProperty("result").GetProperty("value").GetString()!;
    }

    /// <summary>Waits until an expression is true.</summary>
    public async Task ShowsAsync(string expression)
    {
        long began = Environment.TickCount64;
        while (await AskAsync(expression) != "true")
        {
            if (Environment.TickCount64 - began > Eventually.Patience.TotalMilliseconds)
                throw new TimeoutException($"never came true: {expression}; the page:\n{await AskAsync("document.body.innerText")}");
            await Task.Delay(50);
        }
    }

    public async Task PressAsync(string key, string code, int number, string? text = null)
    {
        await CallAsync("Input.dispatchKeyEvent", new { type = text is null ? "rawKeyDown" : "keyDown", key, code, windowsVirtualKeyCode = number, text = text ?? "" });
        await CallAsync("Input.dispatchKeyEvent", new { type = "keyUp", key, code, windowsVirtualKeyCode = number });
    }

    public Task TypeAsync(string text) => CallAsync("Input.insertText", new { text });

    public async Task ScreenshotAsync(string file)
    {
        JsonElement shot = await CallAsync("Page.captureScreenshot", new { format = "png" });
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        await File.WriteAllBytesAsync(file, shot.GetProperty("data").GetBytesFromBase64());
    }

    public async ValueTask DisposeAsync()
    {
        _socket.Dispose();
        _process.Dispose();
        // Its children write for a moment longer than it lives.
        for (int attempt = 0; attempt < 20 && Directory.Exists(_folder); attempt++)
        {
            try
            {
                Directory.Delete(_folder, recursive: true);
            }
            catch (IOException)
            {
                await Task.Delay(50);
            }
        }
    }

    private async Task<JsonElement> CallAsync(string method, object? parameters = null)
    {
        int id = Interlocked.Increment(ref _count);
        var answer = new TaskCompletionSource<JsonElement>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_calls)
            _calls[id] = answer;
        byte[] message = JsonSerializer.SerializeToUtf8Bytes(new { id, method, @params = parameters ?? new { } });
        await _socket.SendAsync(message, WebSocketMessageType.Text, true, CancellationToken.None).Patiently();
        return await answer.Task.WaitAsync(Eventually.Patience);
    }

    private async Task ListenAsync()
    {
        byte[] buffer = new byte[64 * 1024];
        try
        {
            while (true)
            {
                using var message = new MemoryStream();
                ValueWebSocketReceiveResult part;
                do
                {
                    part = await _socket.ReceiveAsync(buffer.AsMemory(), CancellationToken.None);
                    message.Write(buffer, 0, part.Count);
                }
                while (!part.EndOfMessage);
                if (message.Length > 0)
                    Take(JsonDocument.Parse(message.ToArray()).RootElement);
            }
        }
        catch (Exception e) when (e is WebSocketException or ObjectDisposedException or OperationCanceledException)
        {
            lock (_calls)
            {
                foreach (TaskCompletionSource<JsonElement> call in _calls.Values)
                    call.TrySetException(e);
            }
        }
    }

    private void Take(JsonElement message)
    {
        if (message.TryGetProperty("id", out JsonElement id))
        {
            TaskCompletionSource<JsonElement>? call;
            lock (_calls)
                _calls.Remove(id.GetInt32(), out call);
            if (message.TryGetProperty("error", out JsonElement error))
                call?.TrySetException(new InvalidOperationException(error.ToString()));
            else
                call?.TrySetResult(message.GetProperty("result"));
            return;
        }

        JsonElement parameters = message.GetProperty("params");
        switch (message.GetProperty("method").GetString())
        {
            case "Network.requestWillBeSent":
                Add(_requests, parameters.GetProperty("request").GetProperty("url").GetString()!);
                break;
            case "Runtime.exceptionThrown":
                Add(_complaints, parameters.GetProperty("exceptionDetails").ToString());
                break;
            case "Log.entryAdded":
                Add(_complaints, parameters.GetProperty("entry").GetProperty("text").GetString()!);
                break;
        }
    }

    private static void Add(List<string> list, string text)
    {
        lock (list)
            list.Add(text);
    }

    private static List<string> Copy(List<string> list)
    {
        lock (list)
            return [.. list];
    }
}
